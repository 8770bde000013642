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

#[tokio::test(start_paused = true)]
async fn instants_without_end_are_printed_as_the_last_one_and_never_panic() {
    let clock = Clock::tokio(epoch_plus(1_000));
    let never = clock.now().plus(Duration::MAX);
    assert!(rfc3339(clock.wall_at(never)).starts_with("9999-12-3"));
    assert_eq!(clock.wall_at(Moment(Duration::ZERO)), SystemTime::UNIX_EPOCH, "the machine was booted before 1970");
    let end_of_9999 = epoch_plus(253_402_300_799);
    assert_eq!(clock.wall_at(clock.moment_of(end_of_9999)), end_of_9999);
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 40);
    assert_eq!(clock.reading().moment_of(before), Moment(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_hands_of_a_test_move_apart() {
    let clock = Clock::tokio(epoch_plus(1_000_000));
    let shown = || (clock.now().since(Moment(Duration::ZERO)).as_secs() - 86_400, clock.monotonic().as_secs());
    clock.suspend(Duration::from_secs(3_600));
    assert_eq!((shown(), clock.wall()), ((3_600, 0), epoch_plus(1_003_600)));
    clock.set_back(Duration::from_secs(86_400));
    assert_eq!((shown(), clock.wall()), ((3_600, 0), epoch_plus(917_200)));
    clock.set_forward(Duration::from_secs(86_400));
    assert_eq!((shown(), clock.wall()), ((3_600, 0), epoch_plus(1_003_600)));
}

#[tokio::test(start_paused = true)]
async fn who_sleeps_is_woken_within_a_second_of_a_resume() {
    let clock = Clock::tokio(epoch_plus(1_000));
    let watch = tokio::spawn(clock.clone().keep_watch());
    let end = clock.now().plus(Duration::from_secs(3_600));
    let sleeper = {
        let clock = clock.clone();
        tokio::spawn(async move { clock.sleep_until(end).await })
    };
    // Between two naps of the sleeper.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    clock.suspend(Duration::from_secs(4_000));
    let before = clock.monotonic();
    sleeper.await.unwrap();
    assert!(clock.monotonic() - before <= LOOK_AGAIN, "it slept on for {:?}", clock.monotonic() - before);
    let jumps = *clock.jumps().borrow();
    assert_eq!((jumps.resumes, jumps.slept, jumps.steps), (1, 4_000, 0));
    watch.abort();
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_is_noticed_and_wakes_nobody_too_early() {
    let clock = Clock::tokio(epoch_plus(1_000_000));
    let watch = tokio::spawn(clock.clone().keep_watch());
    let end = clock.now().plus(Duration::from_secs(100));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for (change, by) in [(Clock::set_forward as fn(&Clock, Duration), 3_600), (Clock::set_back, -3_600)] {
        change(&clock, Duration::from_secs(3_600));
        let mut jumps = clock.jumps();
        jumps.changed().await.unwrap();
        assert_eq!(jumps.borrow().last_step, by);
    }
    clock.sleep_until(end).await;
    assert_eq!(clock.now().since(end), Duration::ZERO);
    assert_eq!((clock.jumps().borrow().steps, clock.jumps().borrow().resumes), (2, 0));
    watch.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_too_little_to_tell_is_told_when_it_has_added_up() {
    let clock = Clock::tokio(epoch_plus(1_000_000));
    let watch = tokio::spawn(clock.clone().keep_watch());
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(clock.jumps().borrow().steps, 0);
        clock.set_forward(Duration::from_millis(700));
    }
    clock.jumps().changed().await.unwrap();
    assert_eq!(clock.jumps().borrow().last_step, 2);
    watch.abort();
}

/// What an expiry an hour after the `Date` of an answer is taken for, in seconds from the sending of the request, where the source's
/// clock is `ahead` of this machine's and the answer took `way`.
async fn an_hour_at_a_source(ahead: i64, way: Duration) -> (i64, i64) {
    let clock = Clock::tokio(epoch_plus(1_000_000_000));
    let sent_at = clock.now();
    tokio::time::advance(way).await;
    let date = epoch_plus(1_000_000_000_u64.saturating_add_signed(ahead) + way.as_secs());
    let reading = clock.heard("AWS", date, sent_at);
    let life = reading.moment_of(date + Duration::from_secs(3_600)).since(sent_at);
    (i64::try_from(life.as_secs()).unwrap(), clock.offsets()[0].seconds)
}

#[tokio::test(start_paused = true)]
async fn an_expiry_is_understood_by_the_clock_of_who_named_it() {
    const YEAR: i64 = 31_536_000;
    assert_eq!(an_hour_at_a_source(0, Duration::ZERO).await, (3_600, 0), "where both agree, to the second");
    assert_eq!(an_hour_at_a_source(0, Duration::from_secs(3)).await, (3_603, 0));
    for ahead in [600, -600, 3_600, -86_400, YEAR, -YEAR, 200 * YEAR] {
        for way in [Duration::ZERO, Duration::from_millis(900), Duration::from_secs(9)] {
            let (life, offset) = an_hour_at_a_source(ahead, way).await;
            assert_eq!(life, 3_598, "at most what it can be, {ahead} s ahead");
            let slack = 2 + i64::try_from(way.as_secs()).unwrap();
            assert!((offset - ahead).abs() <= slack, "{offset} s, not {ahead}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_source_said_stays_true_whatever_happens_to_this_machines_clock() {
    let clock = Clock::tokio(epoch_plus(1_000_000));
    assert_eq!(clock.told_by("AWS"), None);
    clock.heard("AWS", epoch_plus(1_003_600), clock.now());
    for _ in 0..2 {
        let there = clock.reading_of("AWS").wall_at(clock.now());
        assert!((1_003_600..=1_003_602).contains(&there.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()));
        clock.set_forward(Duration::from_secs(3_600));
    }
    assert!(clock.offsets()[0].seconds < -3_500, "and it is this one that is wrong now: {:?}", clock.offsets());
    assert!(clock.offsets()[0].is_far());
    clock.suspend(Duration::from_secs(60));
    let there = clock.reading_of("AWS").wall_at(clock.now()).duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert!((1_003_660..=1_003_662).contains(&there.as_secs()));
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_sources_are_remembered_and_none_that_talks_nonsense_breaks_it() {
    let clock = Clock::tokio(epoch_plus(1_000_000));
    for number in 0..1_000 {
        clock.heard(&format!("source{number}"), epoch_plus(1_000_000), clock.now());
    }
    assert_eq!(clock.offsets().len(), 64);
    let end_of_9999 = epoch_plus(253_402_300_799);
    for nonsense in [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 50), end_of_9999] {
        let reading = clock.heard("source1", nonsense, clock.now());
        reading.moment_of(end_of_9999);
        reading.moment_of(SystemTime::UNIX_EPOCH);
        assert!(clock.offsets().iter().any(Offset::is_far));
    }
}
