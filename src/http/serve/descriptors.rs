//! How many connections the process has file descriptors for.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// File descriptors that are for other things: listeners, upstream and admin connections, files, the runtime itself.
const OTHER_DESCRIPTORS: u64 = 64;

/// The file descriptors that this process may have, after raising its limit as far as it may.
pub fn descriptors() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::MAX };
    // The soft limit is low for the sake of programs that use select(2); this one may raise it to the hard one.
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

/// How many `descriptors` are left beside `used` ones and those for other things.
pub fn spare(descriptors: u64, used: usize) -> usize {
    usize::try_from(descriptors.saturating_sub(OTHER_DESCRIPTORS)).unwrap_or(usize::MAX).saturating_sub(used)
}

/// How many connections are served at once: `most`, or what `descriptors` leave for them, but one in any case.
pub fn places(most: usize, descriptors: u64) -> usize {
    let served = most.min(spare(descriptors, 0)).max(1);
    if served < most {
        tracing::warn!(
            max_connections = most,
            served,
            descriptors,
            "fewer connections are served at once than configured: the limit of open files (RLIMIT_NOFILE) is too low"
        );
    }
    served
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_descriptors_for_them() {
        for (most, descriptors, expected) in
            [(1024, 65_536, 1024), (1024, 1024, 960), (1024, 64, 1), (1024, 10, 1), (1, 1024, 1), (2, u64::MAX, 2)]
        {
            assert_eq!(places(most, descriptors), expected, "{most} of {descriptors}");
        }
    }

    #[test]
    fn this_process_has_a_limit_of_descriptors() {
        assert!(descriptors() > OTHER_DESCRIPTORS);
    }
}
