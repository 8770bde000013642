//! Rotations that nobody interrupts.

use credbroker_emulator::{Fault, FaultKind};

use super::Scene;
use crate::documents::caller;
use crate::waiting::limited;

#[tokio::test]
async fn each_step_is_told_and_one_secret_is_left() {
    limited(async {
        let scene = Scene::open().await;
        let told = scene.rotated().await;
        let steps: Vec<&str> = told.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(steps, ["got", "wrote", "added", "got", "put", "got", "deleted", "done:"], "{told}");
        scene.is_finished().await;
        assert_eq!(
            scene.site.operations()[..7],
            [
                "ListUserPoolClientSecrets",
                "token",
                "AddUserPoolClientSecret",
                "token",
                "token",
                "DeleteUserPoolClientSecret",
                "ListUserPoolClientSecrets"
            ],
            "nothing is asked twice"
        );
    })
    .await;
}

#[tokio::test]
async fn a_second_rotation_is_one_more() {
    limited(async {
        let scene = Scene::open().await;
        scene.rotated().await;
        let first = scene.secret();
        scene.rotated().await;
        assert_ne!(scene.secret(), first);
        assert!(!scene.works(&first).await);
        scene.is_finished().await;
    })
    .await;
}

#[tokio::test]
async fn a_new_secret_that_not_every_server_knows_yet_is_tried_again() {
    limited(async {
        // Before it is put in place, and after.
        for after in [1, 2] {
            let scene = Scene::open().await;
            let refused =
                FaultKind::Status { status: 400, body: r#"{"error":"invalid_client"}"#.into(), headers: [].into() };
            scene.site.control().fault(Fault { count: 2, after, ..Fault::once("token", refused) });
            scene.rotated().await;
            assert_eq!(scene.site.asked("token").len(), 5);
            scene.is_finished().await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_client_secret_of_a_machine_user_is_rotated_too() {
    limited(async {
        let document = format!(
            r#"
[tokens.agent]
from          = "cognito-user"
user_pool     = "eu-west-1_AbCd12345"
client_id     = "8robotsecretclient"
client_secret = {{ file = "DIR/billing.secret" }}
username      = "robot"
password      = {{ file = "DIR/robot.password" }}
{}"#,
            caller("orders", &["tokens.agent"])
        );
        let scene = Scene { document, token: "agent", client_id: "8robotsecretclient", ..Scene::open().await };
        let old = "robotsecret0123456789abcdefghijklmnopqr";
        scene.site.write("billing.secret", old);
        scene.rotated().await;
        assert_ne!(scene.secret(), old);
        assert_eq!(scene.listed().await.len(), 1);
        scene.nothing_is_left();
    })
    .await;
}
