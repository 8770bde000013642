//! Rotations that cannot be made: the file keeps a working secret, and people are told why and what to do.

use credbroker_emulator::{Fault, FaultKind};
use nix::unistd::geteuid;
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
use rustix::io::Errno;

use super::{POOL, Scene};
use crate::documents::{BILLING, LEDGER, M2M_CLIENT, M2M_SECRET, ROBOT};
use crate::privilege::not_shown;
use crate::process::Ended;
use crate::waiting::limited;

fn failed(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
}

fn status(status: u16, body: &str) -> FaultKind {
    FaultKind::Status { status, body: body.to_owned(), headers: [].into() }
}

#[tokio::test]
async fn a_second_secret_of_somebody_else_is_left_alone() {
    limited(async {
        let scene = Scene::open().await;
        let add = scene.cognito.add_user_pool_client_secret().user_pool_id(POOL).client_id(M2M_CLIENT);
        let other = add.send().await.unwrap();
        let other = other.client_secret_descriptor().unwrap().client_secret_value().unwrap().to_owned();
        let ids = scene.listed().await;
        let ended = scene.rotate().await;
        failed(&ended, &[&ids[0], &ids[1], "created 20", "--client-secret-id"]);
        assert_eq!((scene.secret().as_str(), scene.listed().await), (M2M_SECRET, ids));
        assert!(scene.works(&other).await && scene.works(M2M_SECRET).await);
        scene.nothing_is_left();
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_proved_is_taken_back() {
    limited(async {
        let scene = Scene::open().await;
        let refused = status(400, r#"{"error":"unauthorized_client"}"#);
        scene.site.control().fault(Fault { after: 1, ..Fault::once("token", refused) });
        failed(&scene.rotate().await, &["getting a token with the new secret", "taken back", "never touched"]);
        scene.is_untouched().await;
        scene.rotated().await;
        scene.is_finished().await;
    })
    .await;
}

/// As a service would answer that makes a secret of its own instead, which here then does not work.
#[tokio::test]
async fn a_value_that_cognito_chose_is_the_one_that_must_work() {
    limited(async {
        let scene = Scene::open().await;
        let chosen = "chosenbythecloud0123456789abcdefgh";
        let answer = serde_json::json!({ "ClientSecretDescriptor": { "ClientSecretValue": chosen } });
        let answer = FaultKind::Replace(answer.as_object().unwrap().clone());
        scene.site.control().fault(Fault::once("AddUserPoolClientSecret", answer));
        let ended = scene.rotate().await;
        failed(&ended, &["invalid_client", "taken back"]);
        assert!(!ended.stderr.contains(chosen) && !ended.stdout.contains(chosen));
        scene.is_untouched().await;
    })
    .await;
}

#[tokio::test]
async fn what_does_not_work_before_is_found_before_anything_is_changed() {
    limited(async {
        let scene = Scene::open().await;
        scene.site.write("billing.secret", "not the secret of this app client");
        failed(
            &scene.rotate().await,
            &["with the secret that is in place", "Nothing was touched", "its own environment"],
        );
        assert_eq!(scene.secret(), "not the secret of this app client");
        assert_eq!(scene.listed().await.len(), 1);
        scene.nothing_is_left();

        let document = r#"
[tokens.agent]
from          = "cognito-user"
user_pool     = "eu-west-1_AbCd12345"
client_id     = "8robotsecretclient"
client_secret = { file = "DIR/billing.secret" }
username      = "robot"
password      = { credential = "robot.password" }
"#;
        let (document, client_id) = (document.to_owned(), "8robotsecretclient");
        let scene = Scene { document, token: "agent", client_id, ..Scene::open().await };
        failed(&scene.rotate().await, &["robot.password", "Nothing was touched", "its own environment"]);
        assert_eq!(scene.site.asked("AddUserPoolClientSecret").len(), 0);
        scene.nothing_is_left();

        let scene = Scene::open().await;
        scene.site.control().fault(Fault::always("token", status(503, "")));
        let ended = scene.rotate().await;
        failed(&ended, &["Nothing was touched; once that is mended run it again"]);
        scene.is_untouched().await;
    })
    .await;
}

/// As on a file that an administrator has locked meanwhile; only root can do that, and not on every file system.
#[tokio::test]
async fn a_secret_that_cannot_be_put_in_place_is_taken_back() {
    limited(async {
        let scene = Scene::open().await;
        let file = std::fs::File::open(scene.file()).unwrap();
        let flags = ioctl_getflags(&file).unwrap_or(IFlags::empty());
        if let Err(cause) = ioctl_setflags(&file, flags | IFlags::IMMUTABLE) {
            assert!(!geteuid().is_root() || [Errno::OPNOTSUPP, Errno::NOTTY, Errno::PERM].contains(&cause), "{cause}");
            not_shown("a secret that cannot be put in place", format!("no file can be locked: {cause}"));
            return;
        }
        failed(&scene.rotate().await, &["chattr -i", "nothing was touched"]);
        assert_eq!(scene.site.operations(), [""; 0]);
        ioctl_setflags(&file, flags).unwrap();

        scene
            .site
            .control()
            .fault(Fault { after: 1, ..Fault::once("token", FaultKind::Delay { milliseconds: 2_500 }) });
        let (ended, ()) = tokio::join!(scene.rotate(), async {
            scene.site.asked_times("token", 2).await;
            ioctl_setflags(&file, flags | IFlags::IMMUTABLE).unwrap();
        });
        ioctl_setflags(&file, flags).unwrap();
        failed(&ended, &["putting the new secret in its place", "taken back", "never touched"]);
        scene.is_untouched().await;
        scene.rotated().await;
        scene.is_finished().await;
    })
    .await;
}

#[tokio::test]
async fn an_outage_at_each_step_is_passed_by_running_it_again() {
    limited(async {
        for (operation, step) in [
            ("ListUserPoolClientSecrets", "listing the secrets"),
            ("AddUserPoolClientSecret", "adding the new secret"),
            ("DeleteUserPoolClientSecret", "deleting the old secret"),
        ] {
            let scene = Scene::open().await;
            scene.site.control().fault(Fault::always(operation, status(503, "")));
            failed(&scene.rotate().await, &[step, "run it again"]);
            scene.site.control().clear_faults();
            assert!(scene.works(&scene.secret()).await);
            scene.rotated().await;
            scene.is_finished().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_secret_of_ours_to_rotate_is_a_mistake_of_usage() {
    limited(async {
        let env = BILLING.replace("file = \"DIR/billing.secret\"", "env = \"SECRET\"");
        for (document, token, word) in [
            (format!("{BILLING}{LEDGER}"), "tokens.biling", "tokens.ledger"),
            (env, "tokens.billing", "variable SECRET"),
            (ROBOT.to_owned(), "tokens.robot", "no client_secret"),
            ("[tokens.billing]\n".to_owned(), "tokens.billing", "from"),
        ] {
            let scene = Scene { document, token, ..Scene::open().await };
            let ended = scene.rotate().await;
            assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{}", ended.stderr);
            assert!(ended.stderr.contains(word), "{}", ended.stderr);
            assert_eq!(scene.site.operations(), [""; 0], "nothing is asked");
        }
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_another_entry_has_elsewhere_is_not_taken_from_it() {
    limited(async {
        let copy = LEDGER.replace("billing.secret", "ledger.secret");
        let env = LEDGER.replace("file = \"DIR/billing.secret\"", "env = \"SECRET\"");
        let vault = LEDGER.replace("file = \"DIR/billing.secret\"", "secrets_manager = \"ledger\"");
        let plain = r#"
[tokens.plain]
from           = "oauth2"
token_endpoint = "http://127.0.0.1:1/token"
client_auth    = "post"
client_id      = "4f3q8example1m2m"
client_secret  = { file = "DIR/plain.secret" }
"#;
        for (other, words) in [
            (&*copy, ["tokens.ledger", "ledger.secret"]),
            (&env, ["tokens.ledger", "variable SECRET"]),
            (&vault, ["tokens.ledger", "Secrets Manager ledger"]),
            (plain, ["tokens.plain", "plain.secret"]),
        ] {
            let scene = Scene { document: format!("{BILLING}{other}"), ..Scene::open().await };
            scene.site.write("ledger.secret", M2M_SECRET);
            let ended = scene.rotate().await;
            assert_eq!(ended.code, Some(2), "{ended:?}");
            assert!(words.iter().all(|word| ended.stderr.contains(word)), "{words:?}: {}", ended.stderr);
            assert!(ended.stderr.contains("nothing was touched; let each read the same file"), "{}", ended.stderr);
            assert_eq!(scene.site.operations(), [""; 0], "nothing is asked");
            scene.is_untouched().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_entry_that_reads_the_same_secret_does_not_stand_in_the_way() {
    limited(async {
        let link = LEDGER.replace("billing.secret", "link");
        let pool = LEDGER.replace("{ file = \"DIR/billing.secret\" }", "{ cognito = true }");
        let two = LEDGER
            .replace("{ file = \"DIR/billing.secret\" }", "[{ env = \"SECRET\" }, { file = \"DIR/billing.secret\" }]");
        let other = LEDGER.replace("4f3q8example1m2m", "another").replace("billing.secret", "other.secret");
        for other in [LEDGER, &link, &pool, &two, &other] {
            let scene = Scene { document: format!("{BILLING}{other}"), ..Scene::open().await };
            std::os::unix::fs::symlink(scene.file(), scene.site.dir.path().join("link")).unwrap();
            scene.rotated().await;
            scene.is_finished().await;
        }
    })
    .await;
}
