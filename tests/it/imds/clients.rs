//! The Rust SDK's own metadata client.

use aws_config::imds;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::ProvideCredentials as _;

use super::{Service, document, limited, own_uid};
use crate::site::Site;

/// The provider of the SDK's default chain, pointed at `service`.
fn provider(service: &Service) -> ImdsCredentialsProvider {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = ProviderConfig::empty().with_http_client(http);
    let endpoint = format!("http://127.0.0.1:{}/", service.port);
    let client = imds::Client::builder().configure(&config).endpoint(endpoint).unwrap().build();
    ImdsCredentialsProvider::builder().configure(&config).imds_client(client).build()
}

#[tokio::test]
async fn the_rust_sdk_takes_its_credentials_from_it() {
    limited(async {
        let site = Site::open().await;
        let service = Service::open(&site).await;
        let held = provider(&service).provide_credentials().await.unwrap();
        let credentials = serde_json::json!({
            "AccessKeyId": held.access_key_id(),
            "SecretAccessKey": held.secret_access_key(),
            "Token": held.session_token().unwrap(),
        });
        assert_eq!(site.whose(&credentials).await, "arn:aws:sts::111122223333:assumed-role/orders/app");
        assert!(held.expiry().is_some());
    })
    .await;
}

#[tokio::test]
async fn the_rust_sdk_fails_at_once_where_it_is_somebody_elses() {
    limited(async {
        let site = Site::open().await;
        let service = Service::launch(site.launch(&document("127.0.0.1:0", own_uid() + 1))).await;
        let error = provider(&service).provide_credentials().await.unwrap_err();
        let mut words = String::new();
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(next) = cause {
            words += &format!("{next}\n");
            cause = next.source();
        }
        assert!(words.to_lowercase().contains("forbidden"), "{words}");
        let printed = service.daemon.logged().await;
        assert_eq!(printed.matches("UnknownCaller").count(), 1, "a 403 is not tried again: {printed}");
    })
    .await;
}
