//! A service as anybody writes it: the AWS SDK with nothing set but its usual environment variables. The conformance tests run it, too.

use aws_smithy_http_client::{Builder, tls};

use crate::Fault;

/// Asks STS so many times who it is, and prints an ARN a line.
pub async fn run(times: usize) -> Result<(), Fault> {
    // The lean build of the SDK has no HTTP client of its own; this is the one it has by default.
    let client =
        Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(client).load().await;
    let sts = aws_sdk_sts::Client::new(&config);
    for _ in 0..times {
        let identity = sts.get_caller_identity().send().await.map_err(|error| {
            let cause = aws_sdk_sts::error::DisplayErrorContext(error);
            format!("the SDK could not call STS: {cause}")
        })?;
        println!("{}", identity.arn().unwrap_or("nobody"));
    }
    Ok(())
}
