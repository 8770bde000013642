//! SIGKILL after each step in turn: a working secret is in the file, and the next run finishes the job.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};

use super::gate::Gate;
use super::{POOL, Scene};
use crate::documents::M2M_SECRET;
use crate::process::Running;
use crate::waiting::limited;

impl Scene {
    /// Kills a rotation while its request for `operation` is held before Cognito sees it.
    async fn killed_before(&self, operation: &'static str) {
        self.killed_before_one_after(operation, 0).await;
    }

    /// The same, where the first `passing` requests for it are answered.
    async fn killed_before_one_after(&self, operation: &'static str, passing: usize) {
        let gate = Gate::before(&self.site.emulator.url(), operation, passing).await;
        let running = Running::spawn(self.command(&gate.url));
        gate.holds().await;
        kill(running).await;
    }

    /// Kills a rotation that waits for the answer of `operation`, which has taken effect.
    async fn killed_after(&self, operation: &str) {
        self.killed_after_one_after(operation, 0).await;
    }

    /// The same, where the first `passing` requests for it are answered.
    async fn killed_after_one_after(&self, operation: &str, passing: u64) {
        self.site.control().fault(Fault { after: passing, ..Fault::once(operation, FaultKind::Hang {}) });
        let asked = self.site.asked(operation).len() + usize::try_from(passing).unwrap();
        let running = Running::spawn(self.command(&self.site.emulator.url()));
        self.site.asked_times(operation, asked + 1).await;
        kill(running).await;
        self.site.control().clear_faults();
    }

    /// A run that fails and says all of `words`.
    async fn fails(&self, words: &[&str]) {
        let ended = self.rotate().await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(words.iter().all(|word| ended.stderr.contains(word)), "{words:?}: {}", ended.stderr);
    }

    /// Somebody deletes the secret `id` at Cognito.
    async fn forget(&self, id: &str) {
        let request = self.cognito.delete_user_pool_client_secret().user_pool_id(POOL);
        request.client_id(self.client_id).client_secret_id(id).send().await.unwrap();
    }

    /// The file holds a secret that works, and running it again finishes.
    async fn recovers(&self, holds_old: bool, listed: usize) {
        assert!(self.works(&self.secret()).await, "a working secret is in the file");
        assert_eq!((self.secret() == M2M_SECRET, self.listed().await.len()), (holds_old, listed));
        self.rotated().await;
        self.is_finished().await;
    }
}

async fn kill(mut running: Running) {
    running.signal("KILL").await;
    assert_eq!(running.wait(Duration::from_secs(5)).await, -1);
}

#[tokio::test]
async fn killed_before_anything_happened() {
    limited(async {
        let scene = Scene::open().await;
        scene.killed_before("ListUserPoolClientSecrets").await;
        // The lock's file may stay, since nobody holds it any more.
        std::fs::remove_file(scene.beside("rotation.lock")).unwrap();
        scene.is_untouched().await;
        scene.recovers(true, 1).await;
    })
    .await;
}

#[tokio::test]
async fn killed_when_the_new_secret_is_written_and_not_added() {
    limited(async {
        let scene = Scene::open().await;
        scene.killed_before("AddUserPoolClientSecret").await;
        let waiting = std::fs::read_to_string(scene.beside("next")).unwrap();
        scene.recovers(true, 1).await;
        assert_eq!(scene.secret(), waiting.trim_end(), "the secret that was written is the one that is used");
    })
    .await;
}

#[tokio::test]
async fn killed_while_the_new_secret_is_written() {
    limited(async {
        let scene = Scene::open().await;
        scene.killed_before("AddUserPoolClientSecret").await;
        // As a kill leaves it that comes a moment earlier.
        let waiting = std::fs::read_to_string(scene.beside("next")).unwrap();
        std::fs::write(scene.beside("next"), &waiting[..20]).unwrap();
        std::fs::write(scene.beside("rotation.new"), "{").unwrap();
        scene.recovers(true, 1).await;

        let scene = Scene::open().await;
        scene.killed_before("AddUserPoolClientSecret").await;
        std::fs::remove_file(scene.beside("next")).unwrap();
        scene.recovers(true, 1).await;
    })
    .await;
}

#[tokio::test]
async fn killed_when_it_is_added_and_the_answer_is_lost() {
    limited(async {
        let scene = Scene::open().await;
        scene.killed_after("AddUserPoolClientSecret").await;
        scene.recovers(true, 2).await;
        assert_eq!(scene.site.asked("AddUserPoolClientSecret").len(), 1, "it is not added twice");
    })
    .await;
}

#[tokio::test]
async fn killed_when_it_is_added_and_not_proved() {
    limited(async {
        let scene = Scene::open().await;
        scene.killed_before_one_after("POST /oauth2/token", 1).await;
        scene.recovers(true, 2).await;
    })
    .await;
}

#[tokio::test]
async fn killed_when_it_is_proved_and_the_answer_is_lost() {
    limited(async {
        let scene = Scene::open().await;
        scene.killed_after_one_after("token", 1).await;
        scene.recovers(true, 2).await;
    })
    .await;
}

#[tokio::test]
async fn killed_when_it_is_in_place_and_the_old_one_not_deleted() {
    limited(async {
        let scene = Scene::open().await;
        scene.killed_before("DeleteUserPoolClientSecret").await;
        assert!(!scene.beside("next").exists());
        scene.recovers(false, 2).await;
        let asked = scene.site.asked("token").len();
        assert_eq!(asked, 4, "old, new, new in its place; and once more before anything is deleted");
    })
    .await;
}

#[tokio::test]
async fn killed_when_the_old_one_is_deleted_and_the_answer_is_lost() {
    limited(async {
        let scene = Scene::open().await;
        scene.killed_after("DeleteUserPoolClientSecret").await;
        assert!(scene.beside("rotation").exists());
        let new = scene.secret();
        scene.recovers(false, 1).await;
        assert_eq!(scene.secret(), new, "the job is finished, not begun again");
        assert_eq!(scene.site.asked("token").len(), 4, "what is in the file is proved before it counts as finished");
    })
    .await;
}

#[tokio::test]
async fn killed_at_step_after_step_it_still_comes_to_its_end() {
    limited(async {
        let scene = Scene::open().await;
        scene.killed_before("AddUserPoolClientSecret").await;
        scene.killed_after("AddUserPoolClientSecret").await;
        scene.killed_before("POST /oauth2/token").await;
        scene.killed_before("DeleteUserPoolClientSecret").await;
        scene.killed_after("DeleteUserPoolClientSecret").await;
        scene.recovers(false, 1).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_said_of_a_failure_is_what_is_there_then() {
    limited(async {
        // Nobody knows which of the two it is, and it gets no token.
        let scene = Scene::open().await;
        scene.killed_after("AddUserPoolClientSecret").await;
        let refused = FaultKind::Status { status: 400, body: "{}".into(), headers: [].into() };
        scene.site.control().fault(Fault::always("token", refused));
        scene.fails(&["does not hold the new secret yet", "delete the newer one", "--client-secret-id ID"]).await;
        scene.site.control().clear_faults();
        scene.recovers(true, 2).await;

        // The old one has been deleted by somebody, and the new one does not get through.
        let scene = Scene::open().await;
        scene.killed_before("DeleteUserPoolClientSecret").await;
        let ids = scene.listed().await;
        scene.forget(&ids[0]).await;
        let refused = FaultKind::Status { status: 400, body: "{}".into(), headers: [].into() };
        scene.site.control().fault(Fault::always("token", refused));
        scene.fails(&["holds the new secret, and Cognito lists", &ids[1]]).await;
        scene.site.control().clear_faults();
        scene.recovers(false, 1).await;

        // The new one has, while it is in the file.
        let scene = Scene::open().await;
        scene.killed_before("DeleteUserPoolClientSecret").await;
        let ids = scene.listed().await;
        scene.forget(&ids[1]).await;
        let down = FaultKind::Status { status: 503, body: String::new(), headers: [].into() };
        scene.site.control().fault(Fault::always("ListUserPoolClientSecrets", down));
        scene.fails(&["This run has changed nothing"]).await;
        scene.site.control().clear_faults();
        let refused = FaultKind::Status { status: 400, body: "{}".into(), headers: [].into() };
        scene.site.control().fault(Fault::always("AddUserPoolClientSecret", refused));
        scene.fails(&["holds the new secret, which Cognito did not list"]).await;
    })
    .await;
}
