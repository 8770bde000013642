//! What time it is at AWS, for whoever wants to know whether this machine's clock is right.

use std::time::SystemTime;

use url::Url;

use super::Outside;
use crate::environment::Environment;
use crate::source::upstream::Upstream;

/// The host of STS as it would be asked from here, and the time there. Nothing is shown to it.
///
/// # Errors
/// Why it is not known, in words.
pub async fn time_of_sts(outside: &Outside) -> Result<(String, SystemTime), String> {
    let url = endpoint(&outside.environment);
    let host = Url::parse(&url).ok().and_then(|url| url.host_str().map(ToOwned::to_owned)).unwrap_or(url.clone());
    let upstream = Upstream::new(&outside.environment).map_err(|cause| cause.to_string())?;
    let time = upstream.date(&url).await?;
    Ok((host, time))
}

fn endpoint(environment: &Environment) -> String {
    let given = ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"].into_iter().find_map(|name| environment.var(name));
    match (given, environment.region()) {
        (Some(url), _) => url.to_owned(),
        (None, Some(region)) if region.starts_with("cn-") => format!("https://sts.{region}.amazonaws.com.cn/"),
        (None, Some(region)) => format!("https://sts.{region}.amazonaws.com/"),
        (None, None) => "https://sts.amazonaws.com/".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sts_is_where_the_environment_says() {
        for (variables, url) in [
            ([("AWS_REGION", "eu-west-1"), ("X", "")], "https://sts.eu-west-1.amazonaws.com/"),
            ([("AWS_DEFAULT_REGION", "cn-north-1"), ("X", "")], "https://sts.cn-north-1.amazonaws.com.cn/"),
            ([("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")], "http://127.0.0.1:1"),
            ([("X", ""), ("Y", "")], "https://sts.amazonaws.com/"),
        ] {
            assert_eq!(endpoint(&Environment::from(variables)), url);
        }
    }
}
