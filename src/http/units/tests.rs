use std::fs;
use std::path::Path;

use super::*;

fn wanted(units: &[&str]) -> BTreeSet<Arc<str>> {
    units.iter().map(|unit| Arc::from(*unit)).collect()
}

/// Directories in place of cgroups, and the units `orders.service` and `ledger.service` looked for in them.
struct Site {
    dir: tempfile::TempDir,
    units: Units,
}

impl Site {
    fn with(paths: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for path in paths {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        let tree = Tree::at(dir.path());
        assert!(tree.is_some());
        let units = Units::among(wanted(&["orders.service", "ledger.service"]), tree, Clock::system());
        Self { dir, units }
    }

    fn make(&self, path: &str) -> u64 {
        fs::create_dir_all(self.dir.path().join(path)).unwrap();
        self.id(path)
    }

    fn id(&self, path: &str) -> u64 {
        self.units.tree.as_ref().unwrap().id(Path::new(path)).unwrap()
    }

    fn unit(&self, id: u64) -> Option<String> {
        self.units.of_cgroup(id).map(|unit| unit.to_string())
    }

    /// As if the tree had been looked through for an hour just now.
    fn tired(&self) {
        let mut seen = self.units.seen.lock().unwrap();
        let now = self.units.clock.now();
        seen.pace.took(now.minus(Duration::from_secs(3600)), now);
    }

    fn looks(&self) -> Moment {
        self.units.seen.lock().unwrap().pace.paid_until
    }
}

const ORDERS: &str = "system.slice/orders.service";

#[test]
fn an_id_is_that_of_its_unit() {
    let site = Site::with(&[ORDERS, "system.slice/other.service/orders.service"]);
    assert_eq!(site.unit(site.id(ORDERS)).as_deref(), Some("orders.service"));
    for stranger in ["system.slice", "system.slice/other.service", "system.slice/other.service/orders.service"] {
        assert_eq!(site.unit(site.id(stranger)), None, "{stranger}");
    }
    let below = site.make("system.slice/orders.service/payload");
    assert_eq!(site.unit(below).as_deref(), Some("orders.service"), "its own, made since");
    let late = site.make("system.slice/system-ledger.slice/ledger.service");
    assert_eq!(site.unit(late).as_deref(), Some("ledger.service"), "a unit that was started since");
}

/// The number of a directory may be given to the next one; that of a cgroup is not, for as long as a machine runs.
#[test]
fn an_id_is_held_against_the_tree_at_each_use() {
    let site = Site::with(&[ORDERS]);
    let id = site.id(ORDERS);
    assert!(site.unit(id).is_some());
    let place = site.dir.path().join(ORDERS);
    let away = site.dir.path().join("system.slice/other.service");
    fs::rename(&place, &away).unwrap();
    assert_eq!(site.unit(id), None, "it is another unit's now");
    assert_eq!(site.unit(id), None, "and stays so");
    fs::create_dir(&place).unwrap();
    assert_eq!(site.unit(id), None, "the unit is there again, in another cgroup");
    assert!(site.unit(site.id(ORDERS)).is_some(), "that one is it");
}

#[test]
fn a_unit_that_was_started_again_is_known_without_a_look() {
    let site = Site::with(&[ORDERS]);
    let before = site.id(ORDERS);
    assert!(site.unit(before).is_some());
    site.tired();
    // Beside the old one, which is there until the other takes its name, so that the number is another.
    let new = site.make("new");
    fs::remove_dir(site.dir.path().join(ORDERS)).unwrap();
    fs::rename(site.dir.path().join("new"), site.dir.path().join(ORDERS)).unwrap();
    assert_ne!(new, before);
    assert_eq!(site.unit(new).as_deref(), Some("orders.service"));
    assert_eq!(site.unit(before), None);
    assert_eq!(site.units.seen.lock().unwrap().cgroups.len(), 1, "what was removed is forgotten");
}

#[test]
fn strangers_are_looked_for_once_and_not_without_end() {
    let site = Site::with(&[ORDERS]);
    let stranger = site.make("user.slice/user-1000.slice/user@1000.service/app.slice/orders.service");
    let before = site.looks();
    assert_eq!(site.unit(stranger), None);
    let after = site.looks();
    assert!(after > before, "it was looked for");
    assert_eq!(site.unit(stranger), None);
    assert_eq!(site.looks(), after, "once");

    site.tired();
    let new = site.make("system.slice/ledger.service");
    assert_eq!(site.unit(new), None, "nothing is looked for now");
    assert!(site.unit(site.id(ORDERS)).is_some(), "those who are known are not kept out by strangers");
    site.units.seen.lock().unwrap().pace.paid_until = site.units.clock.now();
    assert_eq!(site.unit(new).as_deref(), Some("ledger.service"), "nor is it held against the new one");

    for id in 0..3 * MOST_STRANGERS as u64 {
        site.units.seen.lock().unwrap().is_strange(u64::MAX - id);
        assert!(site.units.seen.lock().unwrap().strangers.len() <= MOST_STRANGERS);
    }
}

#[test]
fn looks_take_a_tenth_of_the_time_and_may_run_a_second_ahead() {
    let now = Clock::system().now();
    let took = Duration::from_millis(10);
    let mut pace = Pace { paid_until: now };
    let mut looks = 0;
    while pace.is_free(now) {
        pace.took(now, now.plus(took));
        looks += 1;
    }
    assert_eq!(looks, 11, "a hundred milliseconds are a second ahead");
    assert!(pace.is_free(now.plus(Duration::from_millis(100))), "and the time of one is free again");
    let later = now.plus(Duration::from_secs(3600));
    pace.took(later, later.plus(took));
    assert_eq!(pace.paid_until, later.plus(took * 10), "rest is not saved up");
}

#[test]
fn where_there_is_no_tree_nobody_has_a_unit() {
    let blind = Units::among(wanted(&["orders.service"]), None, Clock::system());
    assert_eq!(blind.of_cgroup(1), None);
    assert!(Units::new([], Clock::system()).is_none(), "nothing is looked for where nobody is known by it");
}

/// Row by row what stands in the way of units over TCP; that the socket table cannot be used is said elsewhere.
#[test]
fn what_stands_in_the_way_is_said() {
    let gone = || Err(tree::NoTree::NotMounted);
    assert_eq!(over_tcp(Some(true), Ok(())), None);
    assert_eq!(over_tcp(None, Ok(())), None);
    assert_eq!(over_tcp(None, gone()), None);
    assert!(over_tcp(Some(false), Ok(())).unwrap().contains("the kernel does not tell"));
    assert!(over_tcp(Some(true), gone()).unwrap().contains("cgroup v2"));
}

#[tokio::test]
async fn the_peer_of_a_unix_socket_is_in_the_unit_of_its_process() {
    let path = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = path.lines().find_map(|line| unit::of_cgroup(line.strip_prefix("0::")?));
    let (one, _other) = tokio::net::UnixStream::pair().unwrap();
    let units = Units::among(
        own.into_iter().map(Arc::from).chain(wanted(&["orders.service"])).collect(),
        None,
        Clock::system(),
    );
    assert_eq!(units.of_peer(&one).as_deref(), own);
    let others = Units::among(wanted(&["orders.service"]), None, Clock::system());
    assert_eq!(others.of_peer(&one), None, "a unit that nobody is known by is of no interest");
}
