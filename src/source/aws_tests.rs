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

#[tokio::test(start_paused = true)]
async fn a_date_that_lies_makes_nothing_live_longer_than_was_asked_for() {
    const HOUR: Duration = Duration::from_secs(3_600);
    const YEAR: Duration = Duration::from_secs(31_536_000);
    let now = SystemTime::UNIX_EPOCH + 2 * YEAR;
    let parts =
        Parts { access_key_id: Some("k"), secret: Some("s"), session_token: Some("t"), expiration: Some(now + HOUR) };
    for (date, lives) in [(now, 3_600), (now - YEAR, 3_600), (now + YEAR, 0), (SystemTime::UNIX_EPOCH, 3_600)] {
        let clock = Clock::tokio(now);
        let reading = clock.heard(AWS, date, clock.now());
        let issued = issued("STS", &parts, (None, None), HOUR, clock.now(), reading).unwrap();
        assert_eq!(issued.lifetime().as_secs(), lives, "{date:?}");
    }
}

#[test]
fn a_date_counts_as_the_one_who_answered_wrote_it() {
    let answer = |headers: &[(&str, &str)]| {
        let mut answer = http::Response::new(aws_smithy_types::body::SdkBody::empty());
        for (name, value) in headers {
            let name = http::HeaderName::try_from(*name).unwrap();
            answer.headers_mut().append(name, value.parse().unwrap());
        }
        super::super::upstream::date_of(&HttpResponse::try_from(answer).unwrap())
    };
    let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    assert_eq!(answer(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT")]), at(784_111_777));
    assert_eq!(answer(&[("date", "Fri, 31 Dec 9999 23:59:59 GMT")]), at(253_402_300_799));
    let kept = [("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("age", "3600")];
    assert_eq!(answer(&kept), None, "by a cache");
    for garbage in ["", "yesterday", "0", "Sun, 99 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"] {
        assert_eq!(answer(&[("date", garbage)]), None, "{garbage}");
    }
    assert_eq!(answer(&[]), None);
}
