//! The systemd unit that a cgroup belongs to, by its path alone: systemd's own rule (`sd_pid_get_unit(3)`). Nothing is looked up
//! here.
//!
//! A unit's cgroup lies below those of its slices, and whatever lies below it is the unit's, whoever made it: a user's own manager
//! (`user@1000.service`) may call what it starts as it likes, and so may a service with `Delegate=` and a container. So the
//! first part of a path that is no slice has to be the unit's name, and a path in which it is not belongs to no unit.

use std::fmt;

/// Every kind of unit there is, as the end of its name.
const KINDS: [&str; 11] =
    ["service", "scope", "slice", "socket", "mount", "swap", "target", "device", "automount", "timer", "path"];
/// The kinds whose processes live on, as the end of their names.
pub const OF_CALLERS: [&str; 2] = ["service", "scope"];
/// The longest name, in bytes.
const LONGEST: usize = 255;
/// What the kernel appends to the path of a cgroup that was removed.
const REMOVED: &str = " (deleted)";

/// Why a name is not that of a unit with processes of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// It has characters that no unit's name has, or is too long, or empty but for its kind.
    Form,
    /// It does not end in a kind of unit.
    Kind,
    /// It is a template, which has no processes: its instances have.
    Template,
    /// A unit of this kind has no processes that live on.
    Processes,
}

/// The unit that the cgroup at `path`, from the root of the hierarchy on, belongs to.
pub fn of_cgroup(path: &str) -> Option<&str> {
    let parts = path.strip_prefix('/').filter(|_| !path.ends_with(REMOVED))?.split('/');
    let name = unescaped(parts.into_iter().find(|part| !is_slice(part))?);
    check(name).ok().map(|()| name)
}

/// Is a cgroup of this name a slice's, in which units lie?
pub fn is_slice(part: &str) -> bool {
    let name = unescaped(part);
    !name.contains('@') && matches!(kind_of(name), Ok("slice"))
}

/// The name of a unit, as it stands for a part of a path: systemd puts a `_` before those that the kernel has a use for.
pub fn unescaped(part: &str) -> &str {
    part.strip_prefix('_').unwrap_or(part)
}

/// Is `name` that of a unit with processes of its own?
///
/// # Errors
/// What is wrong with it.
pub fn check(name: &str) -> Result<(), Mistake> {
    let kind = kind_of(name)?;
    let (before, _) = name.rsplit_once('.').ok_or(Mistake::Kind)?;
    match before.split_once('@') {
        Some((_, "")) => Err(Mistake::Template),
        _ if OF_CALLERS.contains(&kind) => Ok(()),
        _ => Err(Mistake::Processes),
    }
}

fn kind_of(name: &str) -> Result<&str, Mistake> {
    let is_known = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if name.len() > LONGEST || name.is_empty() || !name.chars().all(is_known) {
        return Err(Mistake::Form);
    }
    let (before, kind) = name.rsplit_once('.').ok_or(Mistake::Kind)?;
    if !KINDS.contains(&kind) {
        return Err(Mistake::Kind);
    }
    if before.is_empty() || before.starts_with('@') { Err(Mistake::Form) } else { Ok(kind) }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "letters, digits, `:`, `-`, `_`, `.`, `\\` and `@` only, 255 at most",
            Self::Kind => "it does not end in a kind of unit",
            Self::Template => "this is a template; name an instance of it, with something between `@` and the dot",
            Self::Processes => "callers are processes of services and scopes",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cgroup_belongs_to_the_first_unit_below_the_slices() {
        for (path, unit) in [
            ("/system.slice/orders.service", "orders.service"),
            ("/orders.service", "orders.service"),
            ("/system.slice/system-orders.slice/orders@eu-1.service", "orders@eu-1.service"),
            ("/system.slice/orders.service/payload/inner.service", "orders.service"),
            ("/system.slice/_memory.service", "memory.service"),
            ("/system.slice/__own.service", "_own.service"),
            ("/_cpu.slice/orders.service", "orders.service"),
            ("/a.slice/a-b.slice/a-b-c.slice/orders.service", "orders.service"),
            ("/system.slice/dev-disk-by\\x2dlabel.service", "dev-disk-by\\x2dlabel.service"),
            ("/init.scope", "init.scope"),
            ("/machine.slice/machine-db.scope/system.slice/orders.service", "machine-db.scope"),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/orders.service", "user@1000.service"),
            ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope"),
            ("/user.slice/user-1000.slice/session-3.scope/orders.service", "session-3.scope"),
        ] {
            assert_eq!(of_cgroup(path), Some(unit), "{path}");
        }
    }

    #[test]
    fn what_is_no_unit_at_the_place_of_one_is_in_none() {
        for path in [
            "",
            "/",
            "//",
            "orders.service",
            "/system.slice",
            "/system.slice/",
            "/system.slice//orders.service",
            "/docker/8a1f/system.slice/orders.service",
            "/kubepods/pod1/orders.service",
            "/../system.slice/orders.service",
            "/system.slice/../orders.service",
            "/./orders.service",
            "/.slice/orders.service",
            "/@.slice/orders.service",
            "/x@.slice/orders.service",
            "/x@y.slice/orders.service",
            "/a b.slice/orders.service",
            "/system.slice/orders@.service",
            "/system.slice/@eu.service",
            "/system.slice/.service",
            "/system.slice/_.service",
            "/system.slice/orders.servic",
            "/system.slice/orders.Service",
            "/system.slice/orders.service.d",
            "/system.slice/orders.service ",
            "/system.slice/orders.socket",
            "/system.slice/data.mount/orders.service",
            "/system.slice/orders.service (deleted)",
            "/system.slice/orders.service/payload (deleted)",
            "/system.slice/ordêrs.service",
        ] {
            assert_eq!(of_cgroup(path), None, "{path}");
        }
        let long = |length| format!("/{}.service", "a".repeat(length));
        assert!(of_cgroup(&long(247)).is_some() && of_cgroup(&long(248)).is_none());
    }

    #[test]
    fn a_name_has_its_mistake() {
        for (name, mistake) in [
            ("orders", Mistake::Kind),
            ("orders.servce", Mistake::Kind),
            ("", Mistake::Form),
            (".service", Mistake::Form),
            ("@x.service", Mistake::Form),
            ("system.slice/orders.service", Mistake::Form),
            ("orders*.service", Mistake::Form),
            ("orders@.service", Mistake::Template),
            ("orders@.timer", Mistake::Template),
            ("orders.timer", Mistake::Processes),
            ("system.slice", Mistake::Processes),
        ] {
            assert_eq!(check(name), Err(mistake), "{name}");
        }
        for name in
            ["orders.service", "orders@1.service", "user@1000.service", "init.scope", "a.b.service", "a@b@c.service"]
        {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    fn part() -> impl Strategy<Value = String> {
        prop_oneof![
            "[_a-z.@ ]{1,6}\\.(service|scope|slice)",
            "(orders|memory|_orders|user@[0-9]{1,4})\\.(service|slice)",
            "\\PC{0,12}",
        ]
    }

    proptest! {
        /// A user may make what he likes below his own manager, and root alone anything beside it.
        #[test]
        fn nothing_below_a_users_manager_is_another_unit(uid in any::<u32>(), parts in proptest::collection::vec(part(), 0..6)) {
            let manager = format!("user@{uid}.service");
            let path = format!("/user.slice/user-{uid}.slice/{manager}/{}", parts.join("/"));
            let unit = of_cgroup(&path);
            prop_assert!(unit == Some(manager.as_str()) || (unit.is_none() && path.ends_with(REMOVED)), "{path}: {unit:?}");
        }

        #[test]
        fn a_unit_is_a_part_of_its_path_behind_slices_only(parts in proptest::collection::vec(part(), 0..5)) {
            let path = format!("/{}", parts.join("/"));
            if let Some(unit) = of_cgroup(&path) {
                let at = path.split('/').skip(1).position(|part| unescaped(part) == unit);
                prop_assert!(at.is_some_and(|at| path.split('/').skip(1).take(at).all(is_slice)), "{}", path);
                prop_assert_eq!(check(unit), Ok(()));
            }
        }
    }
}
