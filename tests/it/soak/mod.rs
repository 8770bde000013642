//! Two daemons under load for minutes, with everything at once that goes wrong around them, drawn from a seed: upstreams that fail, hang,
//! throttle, refuse and come back; secrets that are replaced; callers that go away; reloads, of broken files too. One of the two is
//! restarted besides, and killed; the other is not, and is looked at for growth. Each has fifty callers and an upstream of its own.
//!
//! `cargo test` runs a few seconds of it, and `make soak` as many minutes as `CREDBROKER_SOAK_MINUTES` says, with the seed of
//! `CREDBROKER_SEED`, on the build that `CREDBROKER_BIN` names.

mod account;
mod callers;
mod entries;
mod gate;
mod grants;
mod looks;
mod operator;
mod report;
mod upstream;
mod waits;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use credbroker_emulator::SigningAlgorithm;
use fastrand::Rng;

use account::Account;
use callers::Callers;
use entries::{Moved, document};
use gate::Gate;
use operator::{Done, Operator};
use upstream::Troubles;

use crate::process::variable;
use crate::site::Site;
use crate::supervisor::Supervisor;
use crate::waiting::limited_to;

/// Where nobody says how long.
const LITTLE: Duration = Duration::from_secs(15);
/// The start, and the end of what is under way.
const AROUND: Duration = Duration::from_secs(120);

/// A daemon with all that is around it.
struct Place {
    name: &'static str,
    site: Site,
    account: Arc<Mutex<Account>>,
    operator: Operator,
    troubles: Troubles,
    callers: Callers,
}

impl Place {
    async fn open(name: &'static str, restarts: bool, seed: u64) -> Self {
        let site = Site::open_in(|world| {
            // A key that is quickly made.
            world.authorization_servers.get_mut("partner").unwrap().signing_algorithm = SigningAlgorithm::Es256;
        })
        .await;
        entries::equip(&site);
        let gate = Gate::before(&site.emulator.url()).await;
        let document = document(Moved { scope: None, guest: false });
        let service = Supervisor::start(operator::launch(&site, &gate.url(), &document)).await;
        let account = Arc::new(Mutex::new(Account::new(site.control())));
        let mut rng = Rng::with_seed(seed);
        let ways = [service.daemon.v4(), service.daemon.v6(), service.daemon.unix()];
        let callers = Callers::over(&ways, &account, &mut rng.fork());
        let upstream = gate.url();
        let (account_, rng_) = (Arc::clone(&account), rng.fork());
        let operator = Operator { service, restarts, rng: rng_, account: account_, upstream, done: Done::default() };
        let troubles = Troubles { gate, rng: rng.fork(), account: Arc::clone(&account), count: 0 };
        Self { name, site, account, operator, troubles, callers }
    }

    async fn go_on(&mut self, stop: &AtomicBool) {
        tokio::join!(self.operator.go_on(&self.site, stop), self.troubles.go_on(&self.site, stop));
    }
}

/// Lets `length` pass, with a word each minute.
async fn passing(length: Duration, accounts: [(&str, Arc<Mutex<Account>>); 2], stop: &AtomicBool) {
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    clock.tick().await;
    for second in 1..=length.as_secs() {
        clock.tick().await;
        if second % 60 == 0 {
            for (name, account) in &accounts {
                println!("minute {}, {name}: {}", second / 60, report::line(&account.lock().unwrap()));
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_with_everything_going_wrong_around_them_keep_what_is_promised() {
    let length = variable("CREDBROKER_SOAK_MINUTES")
        .map_or(LITTLE, |text| Duration::from_secs(text.parse::<u64>().unwrap() * 60));
    let seed = variable("CREDBROKER_SEED").map_or(1, |text| text.parse().unwrap());
    limited_to(length + AROUND, async {
        println!("{} s, seed {seed}", length.as_secs());
        let mut restarted = Place::open("restarted", true, seed).await;
        let mut steady = Place::open("steady", false, seed).await;
        let accounts = [&restarted, &steady].map(|place| (place.name, Arc::clone(&place.account)));
        let stop = AtomicBool::new(false);
        tokio::join!(restarted.go_on(&stop), steady.go_on(&stop), passing(length, accounts, &stop));
        let broken = [report::end(restarted, length).await, report::end(steady, length).await].concat();
        assert!(broken.is_empty(), "seed {seed}: what was promised and not kept:\n{}", broken.join("\n"));
    })
    .await;
}
