use super::*;

fn epoch_plus(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_wall_instant_and_its_moment_are_the_same_instant() {
    let clock = Clock::tokio(epoch_plus(1_000));
    let moment = clock.moment_of(epoch_plus(1_060));
    assert_eq!(moment.since(clock.now()), Duration::from_secs(60));
    assert_eq!(clock.wall_at(moment), epoch_plus(1_060));
    tokio::time::advance(Duration::from_secs(100)).await;
    assert_eq!(clock.wall_at(moment), epoch_plus(1_060), "also when it is past");
}

#[tokio::test(start_paused = true)]
async fn a_sleep_longer_than_one_nap_ends_at_its_moment() {
    let clock = Clock::tokio(epoch_plus(0));
    let end = clock.now().plus(Duration::from_secs(95));
    clock.sleep_until(end).await;
    assert_eq!(clock.now().since(end), Duration::ZERO);
}

#[test]
fn instants_print_with_whole_seconds_and_a_z() {
    let wall = epoch_plus(1_700_000_000) + Duration::from_millis(750);
    assert_eq!(rfc3339(wall), "2023-11-14T22:13:20Z");
    assert_eq!(rfc3339_in_millis(wall), "2023-11-14T22:13:20.750Z");
    assert_eq!(read_rfc3339("2023-11-14T22:13:20Z"), Some(epoch_plus(1_700_000_000)));
    assert_eq!(read_rfc3339("tomorrow"), None);
}
