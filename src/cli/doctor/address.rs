//! Where credentials may be asked for over plain http.

use std::net::IpAddr;

use url::{Host, Url};

/// AWS's own addresses that the container provider takes: the ECS agent's, and those of EKS Pod Identity.
const OF_AWS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// Is it where the daemon gives credentials?
pub fn is_the_daemon(url: &Url) -> bool {
    url.scheme() == "http" && is_here(url) && url.path().starts_with("/v1/credentials/")
}

/// Is it on this machine, without asking anybody?
pub fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(v4)) => v4.is_loopback(),
        Some(Host::Ipv6(v6)) => v6.is_loopback(),
        None => false,
    }
}

/// Does the container provider ask this address over plain http?
pub fn is_fit(address: IpAddr) -> bool {
    address.is_loopback() || OF_AWS.iter().any(|own| own.parse() == Ok(address))
}
