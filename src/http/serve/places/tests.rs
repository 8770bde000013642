use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::advance;

use super::board::{GRACE, UNREAD};
use super::*;

const A: Holder = Some(1000);
const B: Holder = Some(1001);

fn eight() -> Arc<Places> {
    Places::shared(8, Clock::tokio(UNIX_EPOCH))
}

/// What a future gives when it is polled once.
fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A place that must be there at once.
fn at_once(places: &Arc<Places>, holder: Holder) -> Arc<Place> {
    once(places.take(holder)).expect("it has to wait").expect("it is turned away")
}

/// Ends as its connection does when it is told to go.
fn connected(place: Arc<Place>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move { place.told().await })
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_takes_the_place_of_the_one_that_was_silent_longest() {
    let places = eight();
    let mut silent = Vec::new();
    for number in 0..8 {
        silent.push(connected(at_once(&places, Some(number % 3))));
        advance(GRACE).await;
    }
    let newcomer = places.take(Some(9)).await;
    assert!(newcomer.is_some());
    let gone: Vec<_> = silent.iter().map(tokio::task::JoinHandle::is_finished).collect();
    assert_eq!(gone, [true, false, false, false, false, false, false, false], "the oldest of a user who holds three");
    assert_eq!(places.tally(), Tally { open: 8, most: 8, moved: 1, turned_away: 0 });
}

#[tokio::test(start_paused = true)]
async fn who_never_asked_goes_first_and_a_dripping_head_gains_nothing() {
    let places = eight();
    let asked = at_once(&places, A);
    drop(asked.answering());
    let asked = connected(asked);
    advance(GRACE).await;
    let dripping = at_once(&places, A);
    dripping.heard();
    advance(GRACE).await;
    let _others: Vec<_> = (0..6).map(|_| at_once(&places, B)).collect();
    dripping.heard();
    let dripping = connected(dripping);
    tokio::task::yield_now().await;
    // B holds most, but all of its have just been accepted.
    assert!(places.take(None).await.is_some());
    assert!(dripping.is_finished() && !asked.is_finished());
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_who_was_just_accepted_or_is_being_answered() {
    let places = Places::new(2, 2, Clock::tokio(UNIX_EPOCH));
    let busy = at_once(&places, A);
    let answering = busy.answering();
    let busy = connected(busy);
    let fresh = connected(at_once(&places, A));
    let mut newcomer = std::pin::pin!(places.take(B));
    assert!(once(newcomer.as_mut()).is_none());
    advance(GRACE - Duration::from_millis(1)).await;
    tokio::task::yield_now().await;
    assert!(!fresh.is_finished(), "it has a little time left");
    let _newcomer = newcomer.await.unwrap();
    assert!(fresh.is_finished() && !busy.is_finished());
    drop(answering);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_just_after_the_choice_is_answered_and_another_one_goes() {
    let places = Places::new(2, 2, Clock::tokio(UNIX_EPOCH));
    let (chosen, other) = (at_once(&places, A), at_once(&places, A));
    advance(GRACE).await;
    other.heard();
    advance(GRACE).await;
    let mut newcomer = std::pin::pin!(places.take(B));
    assert!(once(newcomer.as_mut()).is_none());
    let answering = chosen.answering();
    assert!(once(newcomer.as_mut()).is_none());
    assert!(once(chosen.told()).is_none(), "it was told, but has something to do now");
    let other = connected(other);
    assert!(newcomer.await.is_some());
    assert!(other.is_finished());
    drop(answering);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_its_peer_is_still_taking_keeps_its_place() {
    let places = Places::new(1, 1, Clock::tokio(UNIX_EPOCH));
    let slow = at_once(&places, A);
    drop(slow.answering());
    for _ in 0..20 {
        slow.blocked(true);
        advance(UNREAD - Duration::from_millis(1)).await;
        assert!(places.take_now(B).is_none());
        assert!(once(slow.told()).is_none());
        slow.blocked(false);
    }
    advance(GRACE).await;
    assert!(places.take_now(B).is_none());
    assert!(once(slow.told()).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_which_nothing_is_taken_does_not_keep_its_place() {
    let places = Places::new(1, 1, Clock::tokio(UNIX_EPOCH));
    let unread = at_once(&places, A);
    drop(unread.answering());
    unread.blocked(true);
    let _unread = connected(unread);
    assert!(once(places.take(B)).is_none(), "it has a little time left");
    assert!(places.take(B).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_body_does_not_come_keeps_no_place_until_it_has_come() {
    let places = Places::new(2, 2, Clock::tokio(UNIX_EPOCH));
    let (whole, half) = (at_once(&places, A), at_once(&places, A));
    let answering = [whole.answering(), half.answering()];
    whole.awaiting(advance(GRACE)).await;
    let half = tokio::spawn(async move {
        tokio::select! { () = half.awaiting(std::future::pending()) => {}, () = half.told() => {} }
    });
    tokio::task::yield_now().await;
    let mut newcomer = std::pin::pin!(places.take(B));
    assert!(once(newcomer.as_mut()).is_none());
    half.await.unwrap();
    assert!(once(whole.told()).is_none());
    drop(answering);
    assert!(newcomer.await.is_some());
    assert_eq!(places.tally().moved, 1);
}

#[tokio::test(start_paused = true)]
async fn a_user_with_all_its_requests_in_flight_leaves_room_and_is_turned_away_at_its_share() {
    let places = eight();
    let held: Vec<_> = (0..6).map(|_| at_once(&places, A)).collect();
    let answering: Vec<_> = held.iter().map(Place::answering).collect();
    assert!(matches!(once(places.take(A)), Some(None)), "nobody waits behind it");
    let _others = [at_once(&places, B), at_once(&places, None)];
    assert_eq!(places.tally(), Tally { open: 8, most: 8, moved: 0, turned_away: 1 });
    drop((answering, held));
    at_once(&places, A);
}

#[tokio::test(start_paused = true)]
async fn at_its_share_a_user_makes_room_for_itself_only() {
    let places = eight();
    let other = connected(at_once(&places, B));
    advance(GRACE).await;
    let own: Vec<_> = (0..6).map(|_| connected(at_once(&places, A))).collect();
    assert!(places.take(A).await.is_some());
    assert!(!other.is_finished());
    assert_eq!(own.iter().filter(|one| one.is_finished()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_becomes_free_is_had_without_waiting_for_anybody_to_go() {
    let places = Places::new(1, 1, Clock::tokio(UNIX_EPOCH));
    let first = at_once(&places, A);
    let mut newcomer = std::pin::pin!(places.take(B));
    assert!(once(newcomer.as_mut()).is_none());
    drop(first);
    assert!(once(newcomer).flatten().is_some());
}
