//! Any bytes as the kernel's answer about one socket. It is believed only where it is whole, answers this question, and names
//! both ends, the state and a socket that somebody holds.

#![no_main]

use std::net::SocketAddr;

use credbroker::http::socket_table::message::Question;
use libfuzzer_sys::fuzz_target;

const SEQUENCE: u32 = 2;

fuzz_target!(|answer: &[u8]| {
    let address = |text: &str| -> SocketAddr { text.parse().expect("an address") };
    let questions = [
        Question::connection(address("127.0.0.1:40000"), address("127.0.0.1:2778"), SEQUENCE),
        Question::connection(address("[::1]:40000"), address("[::1]:2778"), SEQUENCE),
        Question::listener(address("127.0.0.1:2778"), SEQUENCE),
    ];
    let believed: Vec<_> = questions.iter().filter_map(|question| question.answered(answer).ok()).collect();
    assert!(believed.len() <= 1, "one answer to several questions");
    if let Some(entry) = believed.first() {
        assert!(answer.len() >= 88 && entry.inode != 0);
        assert_eq!(answer[..4], u32::try_from(answer.len()).expect("a length").to_ne_bytes());
        assert_eq!(answer[8..12], SEQUENCE.to_ne_bytes());
        assert_eq!(answer[80..84], entry.uid.to_ne_bytes());
        assert!(matches!(answer[17], 1 | 10), "established or listening");
    }
});
