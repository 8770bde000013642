//! The AWS SDK for Rust as a service has it, its default chain and all: `caller_identity [TIMES]` asks STS so often who it is, and
//! prints the ARNs as JSON. Everything comes from the environment.

use std::error::Error;

use aws_config::BehaviorVersion;
use aws_sdk_sts::Client;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "this is a program of somebody else's")]
async fn main() -> Result<(), Box<dyn Error>> {
    let times: usize = std::env::args().nth(1).map_or(Ok(1), |times| times.parse())?;
    // STS is the emulator, on loopback.
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    let sts = Client::new(&config);
    let mut arns = Vec::new();
    for _ in 0..times {
        let identity = sts.get_caller_identity().send().await?;
        arns.push(identity.arn().unwrap_or_default().to_owned());
    }
    println!("{}", serde_json::to_string(&arns)?);
    Ok(())
}
