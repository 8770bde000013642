use super::*;

#[tokio::test(start_paused = true)]
async fn credentials_without_a_part_or_an_end_are_not_kept() {
    let clock = Clock::tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
    let now = clock.now();
    let later = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(4_600));
    let parts = |key, secret, token, expiration| Parts { access_key_id: key, secret, session_token: token, expiration };
    for bad in [
        parts(None, Some("s"), Some("t"), later),
        parts(Some("k"), Some(""), Some("t"), later),
        parts(Some("k"), Some("s"), Some("t\n"), later),
        parts(Some("k"), Some("s"), Some("t"), None),
    ] {
        assert_eq!(
            issued("STS", &bad, (None, None), Duration::from_secs(3_600), now, clock.reading()).unwrap_err().kind,
            FailureKind::Malformed
        );
    }
    let good = issued(
        "STS",
        &parts(Some("k"), Some("s"), Some("t"), later),
        (None, None),
        Duration::from_secs(3_600),
        now,
        clock.reading(),
    )
    .unwrap();
    assert_eq!(good.expiry.since(now), Duration::from_secs(3_600));
    let by_a_slow_clock = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(9_999));
    let good = parts(Some("k"), Some("s"), Some("t"), by_a_slow_clock);
    let good = issued("STS", &good, (None, None), Duration::from_secs(3_600), now, clock.reading()).unwrap();
    assert_eq!(good.expiry.since(now), Duration::from_secs(3_600), "no longer than such credentials live");
}

#[test]
fn the_account_is_read_from_an_arn() {
    assert_eq!(account_of("arn:aws:sts::111122223333:assumed-role/r/s").as_deref(), Some("111122223333"));
    assert_eq!(account_of("arn:aws:iam::"), None);
    assert_eq!(account_of("nonsense"), None);
}
