//! The callers of one daemon: those that ask again and again, and one that goes away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;

use super::account::{Account, Asked};
use super::entries::{CALLERS, OWN, WANTED, token_of};
use crate::client::{Ask, Line, Way};
use crate::waiting::{Stopwatch, wall};

/// Each asks so often.
const PACE: Duration = Duration::from_millis(500);

#[derive(Clone)]
struct Place {
    way: Way,
    account: Arc<Mutex<Account>>,
    stop: Arc<AtomicBool>,
}

pub struct Callers {
    all: JoinSet<()>,
    stop: Arc<AtomicBool>,
}

impl Callers {
    /// As many as there are, over each of `ways`.
    pub fn over(ways: &[Way], account: &Arc<Mutex<Account>>, rng: &mut Rng) -> Self {
        let mut this = Self { all: JoinSet::new(), stop: Arc::default() };
        for number in 0..CALLERS {
            let way = ways[number % ways.len()].clone();
            let place = Place { way, account: Arc::clone(account), stop: Arc::clone(&this.stop) };
            this.all.spawn(asks(place.clone(), number, rng.fork()));
            if number < ways.len() {
                this.all.spawn(goes_away(place, rng.fork()));
            }
        }
        this
    }

    pub async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.all.join_next().await {
            ended.unwrap();
        }
    }
}

/// Asks for one thing after the other, every second caller on a connection that is kept.
async fn asks(place: Place, number: usize, mut rng: Rng) {
    let token = token_of(number);
    let mut line = None;
    let mut pace = tokio::time::interval(PACE);
    tokio::time::sleep(PACE.mul_f64(rng.f64())).await;
    while !place.stop.load(Ordering::Relaxed) {
        pace.tick().await;
        // Something at every step: who keeps a connection and is silent for longer than the drain may find it closed as he asks.
        let may_have: Vec<_> = WANTED.iter().filter(|wanted| !wanted.own || number < OWN).collect();
        let wanted = *rng.choice(&may_have).unwrap();
        let ask = Ask::get(wanted.path).bearer(&token);
        let reused = line.is_some();
        let (sent, watch) = (wall(), Stopwatch::start());
        let outcome = if (number / 3).is_multiple_of(2) {
            kept(&mut line, &place.way, &ask).await
        } else {
            ask.over(&place.way).await
        };
        let asked = Asked {
            path: wanted.path,
            own: wanted.own.then_some(number),
            moves: wanted.moves,
            reused,
            sent,
            received: wall(),
            took: watch.elapsed(),
        };
        place.account.lock().unwrap().note(&asked, &outcome);
    }
}

async fn kept(line: &mut Option<Line>, way: &Way, ask: &Ask) -> std::io::Result<crate::client::Answer> {
    let mut open = match line.take() {
        Some(open) => open,
        None => Line::open(way).await?,
    };
    let answer = open.ask(ask).await?;
    *line = Some(open);
    Ok(answer)
}

/// Asks, and is gone before the answer may be there.
async fn goes_away(place: Place, mut rng: Rng) {
    while !place.stop.load(Ordering::Relaxed) {
        tokio::time::sleep(PACE.mul_f64(0.5 + rng.f64())).await;
        let ask = Ask::get(rng.choice(&WANTED).unwrap().path).bearer(&token_of(rng.usize(..CALLERS)));
        let patience = Duration::from_micros(rng.u64(0..4_000));
        // Whatever comes of it is not waited for.
        let _ = tokio::time::timeout(patience, ask.over(&place.way)).await;
    }
}
