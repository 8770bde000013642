//! Budgets on the paused clock.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;

use super::*;

fn clock() -> Clock {
    Clock::tokio(SystemTime::UNIX_EPOCH)
}

fn slow(clock: &Clock) -> Arc<Quota> {
    Arc::new(Quota::new("a quota", Rate { per_second: 1.0, at_once: 1.0 }, clock.clone()))
}

/// Stands in the line for `share` and says `name` when it is served.
fn stands(share: &Arc<Share>, urgency: Urgency, name: &'static str, said: &mpsc::UnboundedSender<&'static str>) {
    let (share, said) = (Arc::clone(share), said.clone());
    tokio::spawn(async move {
        let _place = share.turn(urgency).await;
        said.send(name).unwrap();
    });
}

async fn order(mut heard: mpsc::UnboundedReceiver<&'static str>, count: usize) -> Vec<&'static str> {
    let mut order = Vec::new();
    for _ in 0..count {
        order.push(heard.recv().await.unwrap());
    }
    order
}

#[tokio::test(start_paused = true)]
async fn a_quota_gives_so_many_at_once_and_then_so_many_a_second() {
    let clock = clock();
    let quota = Arc::new(Quota::new("a quota", Rate { per_second: 10.0, at_once: 5.0 }, clock.clone()));
    let share = Share::new(clock.clone()).within(quota);
    let start = clock.now();
    let mut at = Vec::new();
    for _ in 0..25 {
        let _place = share.turn(Urgency::Ahead).await;
        at.push(clock.now().since(start).as_secs_f64());
    }
    assert!(at[4] < 0.001 && at[5] > 0.09, "{at:?}");
    assert!((1.9..2.2).contains(&at[24]), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_somebody_waits_for_comes_before_what_is_renewed_ahead() {
    let clock = clock();
    let share = Arc::new(Share::new(clock.clone()).within(slow(&clock)));
    drop(share.turn(Urgency::Now).await);
    let (said, heard) = mpsc::unbounded_channel();
    stands(&share, Urgency::Ahead, "ahead", &said);
    stands(&share, Urgency::Again, "again", &said);
    tokio::task::yield_now().await;
    stands(&share, Urgency::Now, "now", &said);
    assert_eq!(order(heard, 3).await, ["now", "ahead", "again"]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_with_five_hundred_subjects_does_not_starve_the_others() {
    let clock = clock();
    let quota = slow(&clock);
    let [crowd, alone, late] = [(); 3].map(|()| Arc::new(Share::new(clock.clone()).within(Arc::clone(&quota))));
    drop(alone.turn(Urgency::Now).await);
    let (said, heard) = mpsc::unbounded_channel();
    for _ in 0..500 {
        stands(&crowd, Urgency::Now, "crowd", &said);
    }
    tokio::task::yield_now().await;
    for (share, name) in [(&alone, "alone"), (&late, "late"), (&alone, "alone")] {
        stands(share, Urgency::Now, name, &said);
    }
    let order = order(heard, 12).await;
    let place = |name| order.iter().position(|said| *said == name);
    assert!(place("alone").unwrap() < 4 && place("late").unwrap() < 4, "{order:?}");
    assert_eq!(order.iter().filter(|said| **said != "crowd").count(), 3, "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_holds_nobody_up() {
    let clock = clock();
    let share = Arc::new(Share::new(clock.clone()).within(slow(&clock)));
    drop(share.turn(Urgency::Now).await);
    let first = tokio::spawn({
        let share = Arc::clone(&share);
        async move { drop(share.turn(Urgency::Now).await) }
    });
    tokio::task::yield_now().await;
    let (said, heard) = mpsc::unbounded_channel();
    stands(&share, Urgency::Now, "second", &said);
    tokio::task::yield_now().await;
    first.abort();
    let start = clock.now();
    assert_eq!(order(heard, 1).await, ["second"]);
    assert!(clock.now().since(start) < Duration::from_millis(1_100), "{:?}", clock.now().since(start));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_quota_is_counted_for_it_and_for_the_entry_and_once_when_it_has_waited() {
    let clock = clock();
    let quota = slow(&clock);
    let [one, other] = [(); 2].map(|()| Arc::new(Share::new(clock.clone()).within(Arc::clone(&quota))));
    let demand = |share: &Share| share.demand().map(|demand| (demand.waiting, demand.own, demand.waited)).unwrap();
    assert_eq!(Share::new(clock.clone()).demand(), None);
    drop(one.turn(Urgency::Now).await);
    assert_eq!(demand(&one), (0, 0, 0), "it did not wait");
    let (said, heard) = mpsc::unbounded_channel();
    stands(&one, Urgency::Now, "one", &said);
    stands(&one, Urgency::Ahead, "one", &said);
    stands(&other, Urgency::Now, "other", &said);
    let gives_up = tokio::spawn({
        let other = Arc::clone(&other);
        async move { drop(other.turn(Urgency::Ahead).await) }
    });
    tokio::task::yield_now().await;
    assert_eq!((demand(&one), demand(&other)), ((4, 2, 0), (4, 2, 0)));
    gives_up.abort();
    gives_up.await.unwrap_err();
    assert_eq!((demand(&one), demand(&other)), ((3, 2, 0), (3, 1, 0)));
    order(heard, 3).await;
    assert_eq!((demand(&one), demand(&other)), ((0, 0, 3), (0, 0, 3)), "one request is one wait");
}

#[tokio::test(start_paused = true)]
async fn one_entry_has_so_many_requests_on_the_way_and_no_more() {
    let clock = clock();
    let share = Share::new(clock.clone());
    let mut places = Vec::new();
    for _ in 0..MOST_AT_ONCE {
        places.push(share.turn(Urgency::Now).await);
    }
    let patience = Duration::from_secs(3_600);
    assert!(tokio::time::timeout(patience, share.turn(Urgency::Now)).await.is_err());
    places.pop();
    assert!(tokio::time::timeout(patience, share.turn(Urgency::Now)).await.is_ok());
}

/// Five hundred leases of one source that is down are not five hundred retries a minute, and all are renewed when it is back.
#[tokio::test(start_paused = true)]
async fn retries_that_have_time_are_few_until_one_succeeds() {
    let clock = clock();
    let share = Share::new(clock.clone());
    let start = clock.now();
    for _ in 0..30 {
        drop(share.turn(Urgency::Again).await);
    }
    let took = clock.now().since(start);
    assert!(took > Duration::from_secs(190), "{took:?}");
    drop(share.turn(Urgency::Now).await);
    drop(share.turn(Urgency::Ahead).await);
    assert_eq!(clock.now().since(start), took, "nobody else waits for that");
    for _ in 0..100 {
        drop(share.turn(Urgency::Again).await);
        share.succeeded();
    }
    assert!(clock.now().since(start) < took + Duration::from_secs(11));
}
