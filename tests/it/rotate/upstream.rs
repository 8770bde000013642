//! The errors of the operations of a rotation, from the table that lists them all.

use super::Scene;
use crate::upstream_errors::table::of;
use crate::upstream_errors::{MARK, fault};
use crate::waiting::limited;

#[tokio::test]
async fn each_error_of_cognito_says_what_to_do() {
    limited(async {
        for row in of(&["ListUserPoolClientSecrets", "AddUserPoolClientSecret", "DeleteUserPoolClientSecret"]) {
            let scene = Scene::open().await;
            scene.site.control().fault(fault(row));
            let ended = scene.rotate().await;
            assert_eq!(ended.code, Some(1), "{row:?}: {ended:?}");
            assert!(ended.stderr.contains(row.1) && ended.stderr.contains(row.4), "{row:?}: {}", ended.stderr);
            assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(MARK), "{row:?}: {ended:?}");
            assert!(scene.works(&scene.secret()).await, "{row:?}: no working secret in the file");
        }
    })
    .await;
}
