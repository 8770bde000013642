use super::*;

fn print(text: &str) -> Fingerprint {
    Fingerprint(text.to_owned())
}

fn record(new: Option<&str>) -> Record {
    Record { client_id: "app".into(), old: "a".into(), new: new.map(Into::into), fingerprint: print("NEW") }
}

/// What Cognito lists, what is noted, what the two files hold.
fn seen(listed: &[&str], record: Option<Record>, file: &str, next: Option<&str>) -> Seen {
    let listed = listed.iter().map(|id| (*id).to_owned()).collect();
    Seen { listed, record, file: Some(print(file)), next: next.map(print), tried: false, proved: None }
}

fn tried(seen: Seen) -> Seen {
    Seen { tried: true, ..seen }
}

fn proved(seen: Seen, holder: Holder) -> Seen {
    Seen { proved: Some(holder), ..seen }
}

fn step(seen: &Seen) -> Step {
    next(seen, "app").unwrap()
}

#[test]
fn a_rotation_without_interruption() {
    let old = || "a".to_owned();
    let fresh = seen(&["a"], None, "OLD", None);
    assert_eq!(step(&fresh), Step::Try);
    assert_eq!(step(&tried(fresh)), Step::Stage(old()));
    assert_eq!(step(&seen(&["a"], Some(record(None)), "OLD", Some("NEW"))), Step::Add(Holder::Next));
    let added = seen(&["a", "b"], Some(record(Some("b"))), "OLD", Some("NEW"));
    assert_eq!(step(&added), Step::Prove(Holder::Next));
    assert_eq!(step(&proved(added, Holder::Next)), Step::Install);
    let installed = seen(&["a", "b"], Some(record(Some("b"))), "NEW", None);
    // Once more, since not every server of Cognito learns of a secret at once.
    assert_eq!(step(&proved(installed.clone(), Holder::Next)), Step::Prove(Holder::File));
    assert_eq!(step(&proved(installed, Holder::File)), Step::DeleteOld(old()));
    let deleted = seen(&["b"], Some(record(Some("b"))), "NEW", None);
    assert_eq!(step(&proved(deleted, Holder::File)), Step::Finish);
}

#[test]
fn an_interrupted_one_goes_on() {
    let old = || "a".to_owned();
    for (state, expected) in [
        // Noted, and the file not written, or not to its end.
        (seen(&["a"], Some(record(None)), "OLD", None), Step::Stage(old())),
        (seen(&["a"], Some(record(None)), "OLD", Some("NE")), Step::Stage(old())),
        // Added, and the answer lost.
        (seen(&["a", "b"], Some(record(None)), "OLD", Some("NEW")), Step::Prove(Holder::Next)),
        // Installed: nothing is deleted before this run has seen the new one work.
        (seen(&["a", "b"], Some(record(Some("b"))), "NEW", None), Step::Prove(Holder::File)),
        (seen(&["a", "b"], Some(record(None)), "NEW", None), Step::Prove(Holder::File)),
        // Deleted, and the answer lost. Where Cognito never told the id, the one that is listed may be anybody's.
        (seen(&["b"], Some(record(Some("b"))), "NEW", None), Step::Prove(Holder::File)),
        (seen(&["b"], Some(record(Some("b"))), "NEW", Some("NEW")), Step::Prove(Holder::File)),
        (seen(&["c"], Some(record(None)), "NEW", None), Step::Prove(Holder::File)),
        // Taken back at Cognito, and the files still there.
        (seen(&["a"], Some(record(Some("b"))), "OLD", Some("NEW")), Step::Add(Holder::Next)),
    ] {
        assert_eq!(step(&state), expected, "{state:?}");
    }
}

#[test]
fn what_cannot_happen_loses_no_secret_either() {
    for (state, expected) in [
        // Somebody removed the new secret at Cognito while the file holds it: Cognito is told again.
        (seen(&["a"], Some(record(Some("b"))), "NEW", None), Step::Add(Holder::File)),
        // Somebody removed the file that waited, when Cognito had told the id of its secret.
        (seen(&["a", "b"], Some(record(Some("b"))), "OLD", None), Step::DeleteLost("b".into())),
        // Somebody removed the old secret early: the new one is in its place as soon as it has been seen to work.
        (seen(&["b"], Some(record(Some("b"))), "OLD", Some("NEW")), Step::Prove(Holder::Next)),
        (proved(seen(&["b"], Some(record(Some("b"))), "OLD", Some("NEW")), Holder::Next), Step::Install),
    ] {
        assert_eq!(step(&state), expected, "{state:?}");
    }
}

#[test]
fn what_is_not_ours_is_left_alone() {
    for (state, expected) in [
        (seen(&[], None, "OLD", None), Refusal::NoSecret),
        (seen(&[], Some(record(None)), "OLD", Some("NEW")), Refusal::NoSecret),
        (seen(&["a", "b"], None, "OLD", None), Refusal::Foreign),
        (seen(&["a"], None, "OLD", Some("NEW")), Refusal::StrayFile),
        (seen(&["a", "b"], None, "OLD", Some("NEW")), Refusal::StrayFile),
        // A second secret that may or may not be the one that was added.
        (seen(&["a", "b"], Some(record(None)), "OLD", None), Refusal::Foreign),
        (seen(&["a", "c"], Some(record(Some("b"))), "OLD", Some("NEW")), Refusal::Foreign),
        (seen(&["c"], Some(record(Some("b"))), "NEW", None), Refusal::Foreign),
        (seen(&["b", "c"], Some(record(None)), "NEW", None), Refusal::Foreign),
        (seen(&["a", "b", "c"], Some(record(Some("b"))), "NEW", None), Refusal::Foreign),
        (seen(&["b"], Some(record(Some("b"))), "OLD", None), Refusal::Overtaken),
    ] {
        assert_eq!(next(&state, "app"), Err(expected), "{state:?}");
        for holder in [Holder::Next, Holder::File] {
            assert_eq!(next(&tried(proved(state.clone(), holder)), "app").ok(), None, "{state:?}");
        }
    }
    let other = seen(&["a"], Some(record(None)), "OLD", Some("NEW"));
    assert_eq!(next(&other, "another app"), Err(Refusal::OtherClient("app".into())));
}

/// Every state there is: no step that takes a secret away from Cognito takes the one that the file needs.
#[test]
fn the_file_always_keeps_a_working_secret() {
    let records = [None, Some(record(None)), Some(record(Some("b")))];
    let listings: [&[&str]; 8] = [&[], &["a"], &["b"], &["c"], &["a", "b"], &["a", "c"], &["b", "c"], &["a", "b", "c"]];
    let nexts = [None, Some("NEW"), Some("OLD"), Some("NE")];
    for record in &records {
        for (listed, next_file) in listings.iter().flat_map(|listed| nexts.map(|next| (*listed, next))) {
            let proofs = [None, Some(Holder::Next), Some(Holder::File)];
            for (file, was_proved) in ["OLD", "NEW"].iter().flat_map(|file| proofs.map(|proof| (*file, proof))) {
                let state = Seen { proved: was_proved, ..seen(listed, record.clone(), file, next_file) };
                let step = next(&state, "app");
                match &step {
                    Ok(Step::DeleteOld(id)) => {
                        assert!(id == "a" && file == "NEW" && was_proved == Some(Holder::File), "{state:?}");
                    }
                    Ok(Step::DeleteLost(id)) => assert!(id == "b" && file == "OLD", "{state:?}"),
                    Ok(Step::Install) => {
                        assert!(next_file == Some("NEW") && was_proved == Some(Holder::Next), "{state:?}");
                    }
                    Ok(Step::Finish) => assert!(file == "NEW" && was_proved == Some(Holder::File), "{state:?}"),
                    Ok(Step::Stage(_)) => assert!(state.record.is_some(), "untried: {state:?}"),
                    Ok(Step::Add(_)) => assert_eq!(state.listed, ["a"], "{state:?}"),
                    _ => {}
                }
                assert!(state.withdrawable().is_none_or(|id| id == "b" && file == "OLD"), "{state:?}");
            }
        }
    }
}
