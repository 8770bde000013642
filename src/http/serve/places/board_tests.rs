use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;
use crate::clock::Clock;

/// What may happen to the places.
#[derive(Clone, Debug)]
enum Step {
    Claim(u32),
    Begin(usize),
    Finish(usize),
    Hear(usize),
    Block(usize, bool),
    Await(usize),
    Resume(usize),
    End(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3u32).prop_map(Step::Claim),
        2 => (0..8usize).prop_map(Step::Begin),
        2 => (0..8usize).prop_map(Step::Finish),
        1 => (0..8usize).prop_map(Step::Hear),
        1 => (0..8usize, any::<bool>()).prop_map(|(one, is_blocked)| Step::Block(one, is_blocked)),
        1 => (0..8usize).prop_map(Step::Await),
        1 => (0..8usize).prop_map(Step::Resume),
        2 => (0..8usize).prop_map(Step::End),
        2 => (0..400u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn places_are_never_more_than_there_are_and_only_the_silent_are_told(steps in proptest::collection::vec(step(), 0..200)) {
        let mut board = Board { most: 8, share: 6, ..Board::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let mut now = runtime.block_on(async { Clock::tokio(UNIX_EPOCH).now() });
        for step in steps {
            let nth = |board: &Board, number: usize| {
                let mut ids: Vec<_> = board.standings.keys().copied().collect();
                ids.sort_unstable();
                ids.get(number).copied()
            };
            match step {
                Step::Claim(holder) => {
                    let before = board.leaving;
                    let claim = board.claim(Some(holder), now);
                    if let Some(told) = board.leaving.filter(|_| before.is_none()) {
                        let standing = &board.standings[&told];
                        prop_assert!(standing.is_quiet() && now.since(standing.since) >= GRACE);
                        prop_assert!(board.standings.len() == 8 || board.holdings[&Some(holder)].count == 6);
                    }
                    if let Claim::Wait(Some(moment)) = claim {
                        prop_assert!(moment > now, "it would ask again at once");
                    }
                }
                Step::Begin(number) => nth(&board, number).into_iter().for_each(|id| { board.begin(id); }),
                Step::Finish(number) => nth(&board, number).into_iter().for_each(|id| board.finish(id, now)),
                Step::Hear(number) => nth(&board, number).into_iter().for_each(|id| board.hear(id, now)),
                Step::Block(number, is) => nth(&board, number).into_iter().for_each(|id| board.block(id, is, now)),
                Step::Await(number) => nth(&board, number).into_iter().for_each(|id| board.wait(id)),
                Step::Resume(number) => nth(&board, number).into_iter().for_each(|id| { board.resume(id); }),
                Step::End(number) => nth(&board, number).into_iter().for_each(|id| board.release(id)),
                Step::Wait(milliseconds) => now = now.plus(Duration::from_millis(milliseconds)),
            }
            prop_assert!(board.standings.len() <= 8 && board.holdings.values().all(|of| (1..=6).contains(&of.count) && of.quiet() <= of.count));
            prop_assert_eq!(board.holdings.values().map(|of| of.count).sum::<usize>(), board.standings.len());
            prop_assert!(board.leaving.is_none_or(|id| board.standings[&id].is_quiet()));
        }
    }
}
