use proptest::prelude::*;

use super::*;

const SEQUENCE: u32 = 2;

fn question(near: &str, far: &str) -> Question {
    Question::connection(near.parse().unwrap(), far.parse().unwrap(), SEQUENCE)
}

fn over_v4() -> Question {
    question("127.0.0.1:40000", "127.0.0.1:2778")
}

const CGROUP: u64 = 0x0001_0000_0000_0ead;

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap();
    let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// `answer` with these attributes in place of its own.
fn with(answer: &[u8], attributes: &[u8]) -> Vec<u8> {
    let mut bytes = [&answer[..SHORTEST_ANSWER], attributes].concat();
    let length = u32::try_from(bytes.len()).unwrap();
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes
}

/// What the kernel of the machine answers, with three attributes behind it: INET_DIAG_SHUTDOWN, INET_DIAG_PAD, the cgroup.
fn answer(family: u8, state: u8, near: (u16, [u8; 16]), far: (u16, [u8; 16]), uid: u32, inode: u32) -> Vec<u8> {
    let mut bytes = [
        &[0; 4][..],
        &SOCK_DIAG_BY_FAMILY.to_ne_bytes(),
        &[0; 2],
        &SEQUENCE.to_ne_bytes(),
        &7_u32.to_ne_bytes(),
        &[family, state, 0, 0],
        &near.0.to_be_bytes(),
        &far.0.to_be_bytes(),
        &near.1,
        &far.1,
    ]
    .concat();
    bytes.extend([0; 24]);
    bytes.extend([uid.to_ne_bytes(), inode.to_ne_bytes()].concat());
    with(&bytes, &[attribute(8, &[0]), attribute(20, &[]), attribute(21, &CGROUP.to_ne_bytes())].concat())
}

fn v4(last: u8) -> [u8; 16] {
    sixteen(Ipv4Addr::new(127, 0, 0, last).into())
}

fn right() -> Vec<u8> {
    answer(AF_INET, 1, (40_000, v4(1)), (2778, v4(1)), 1000, 4711)
}

const BELIEVED: Entry = Entry { uid: 1000, inode: 4711, cgroup: Some(CGROUP) };

#[test]
fn a_question_is_72_bytes_about_one_socket() {
    let bytes = over_v4().bytes();
    assert_eq!(bytes.len(), 72);
    assert_eq!(bytes[..4], 72_u32.to_ne_bytes());
    assert_eq!(
        [bytes[4..6].to_vec(), bytes[6..8].to_vec()],
        [20_u16.to_ne_bytes().to_vec(), 1_u16.to_ne_bytes().to_vec()]
    );
    assert_eq!(bytes[8..12], SEQUENCE.to_ne_bytes());
    assert_eq!(bytes[16..20], [2, 6, 0, 0]);
    assert_eq!(bytes[24..28], [0x9c, 0x40, 0x0a, 0xda], "ports as they are on the wire");
    assert_eq!((&bytes[28..32], &bytes[44..48]), (&[127, 0, 0, 1][..], &[127, 0, 0, 1][..]));
    assert_eq!(bytes[64..], [0xff; 8], "whatever its cookie is");

    let v6 = question("[::1]:40000", "[::1]:2778").bytes();
    assert_eq!((v6[16], v6[43], v6[59]), (10, 1, 1));
    let mapped = question("[::ffff:127.0.0.1]:40000", "[::ffff:127.0.0.1]:2778");
    assert_eq!(mapped.bytes(), bytes, "an IPv4 address is one however it is written");
}

#[test]
fn the_socket_that_was_asked_for_is_believed() {
    let believed = Ok(BELIEVED);
    assert_eq!(over_v4().answered(&right()), believed);
    let mapped = |last| Ipv4Addr::new(127, 0, 0, last).to_ipv6_mapped().octets();
    let from_v6 = answer(AF_INET6, 1, (40_000, mapped(1)), (2778, mapped(1)), 1000, 4711);
    assert_eq!(over_v4().answered(&from_v6), believed, "an IPv6 socket that asks for an IPv4 address");
    let one = Ipv6Addr::LOCALHOST.octets();
    let over_v6 = answer(AF_INET6, 1, (40_000, one), (2778, one), 1000, 4711);
    assert_eq!(question("[::1]:40000", "[::1]:2778").answered(&over_v6), believed);
    let listens = answer(AF_INET, 10, (2778, v4(1)), (0, [0; 16]), 0, 12);
    let listener = Question::listener("127.0.0.1:2778".parse().unwrap(), SEQUENCE);
    assert_eq!(listener.answered(&listens), Ok(Entry { uid: 0, inode: 12, cgroup: Some(CGROUP) }));
}

#[test]
fn the_cgroup_is_the_one_attribute_of_its_type_and_length() {
    let own = attribute(21, &CGROUP.to_ne_bytes());
    let other = attribute(8, &[3]);
    let named = |attributes: &[u8]| over_v4().answered(&with(&right(), attributes)).map(|entry| entry.cgroup);
    for attributes in [own.clone(), [own.clone(), other.clone()].concat(), [other.clone(), own.clone()].concat()] {
        assert_eq!(named(&attributes), Ok(Some(CGROUP)), "{attributes:?}");
    }
    for (what, attributes) in [
        ("none", vec![]),
        ("none of its type", other.clone()),
        ("twice", [own.clone(), own.clone()].concat()),
        ("twice, one of them another", [own.clone(), attribute(21, &1_u64.to_ne_bytes())].concat()),
        ("no id", attribute(21, &[0; 8])),
        ("empty", attribute(21, &[])),
        ("half as long", attribute(21, &[1; 4])),
        ("longer", attribute(21, &[1; 12])),
        ("nested", attribute(21 | 0x8000, &CGROUP.to_ne_bytes())),
        ("shorter than an attribute is", vec![3, 0, 0, 0]),
        ("of no length, for ever", vec![0; 8]),
        ("behind one without an end", [vec![200, 0, 8, 0], own.clone()].concat()),
        ("before something that is no attribute", [own.clone(), vec![1]].concat()),
        ("before one without an end", [own.clone(), vec![8, 0, 8, 0]].concat()),
    ] {
        assert_eq!(named(&attributes), Ok(None), "{what}");
    }
    for length in 0..own.len() {
        assert_eq!(named(&own[..length]), Ok(None), "{length} bytes");
        assert_eq!(named(&[other.clone(), own[..length].to_vec()].concat()), Ok(None), "{length} bytes");
    }
}

/// What a kernel shows of a connection whose process closed it: uid 0, inode 0. It must never be root.
#[test]
fn a_closed_peer_is_not_root() {
    for state in (0..=20).filter(|state| *state != 1) {
        let closed = answer(AF_INET, state, (40_000, v4(1)), (2778, v4(1)), 0, 0);
        assert_eq!(over_v4().answered(&closed), Err(Mistrust::State(state)));
        let half_closed = answer(AF_INET, state, (40_000, v4(1)), (2778, v4(1)), 1000, 4711);
        assert_eq!(over_v4().answered(&half_closed), Err(Mistrust::State(state)));
    }
    let orphan = answer(AF_INET, 1, (40_000, v4(1)), (2778, v4(1)), 0, 0);
    assert_eq!(over_v4().answered(&orphan), Err(Mistrust::Orphan));
}

#[test]
fn another_socket_is_not_believed() {
    for (near, far) in [
        ((40_001, v4(1)), (2778, v4(1))),
        ((40_000, v4(2)), (2778, v4(1))),
        ((40_000, v4(1)), (2779, v4(1))),
        ((40_000, v4(1)), (2778, v4(2))),
        ((2778, v4(1)), (40_000, v4(1))),
        ((40_000, v4(1)), (0, [0; 16])),
    ] {
        let other = answer(AF_INET, 1, near, far, 1000, 4711);
        assert_eq!(over_v4().answered(&other), Err(Mistrust::OtherSocket), "{near:?} {far:?}");
    }
    for family in [0, 1, 3, 10, 255] {
        let other = answer(family, 1, (40_000, v4(1)), (2778, v4(1)), 1000, 4711);
        assert_eq!(over_v4().answered(&other), Err(Mistrust::OtherSocket), "family {family}");
    }
}

#[test]
fn refusals_strays_and_what_is_cut_off_say_nothing() {
    let mut refused = [
        &36_u32.to_ne_bytes()[..],
        &NLMSG_ERROR.to_ne_bytes(),
        &[0; 2],
        &SEQUENCE.to_ne_bytes(),
        &[0; 4],
        &(-2_i32).to_ne_bytes(),
    ]
    .concat();
    refused.extend([0; 16]);
    assert_eq!(over_v4().answered(&refused), Err(Mistrust::Refused(2)));

    let mut late = right();
    late[8..12].copy_from_slice(&(SEQUENCE - 1).to_ne_bytes());
    assert_eq!(over_v4().answered(&late), Err(Mistrust::Stray), "the answer to an earlier question");
    let mut done = right();
    done[4..6].copy_from_slice(&3_u16.to_ne_bytes());
    assert_eq!(over_v4().answered(&done), Err(Mistrust::Form));
    let right = right();
    for length in 0..right.len() {
        assert_eq!(over_v4().answered(&right[..length]), Err(Mistrust::Form), "{length} bytes");
        let mut honest = right[..length].to_vec();
        if let Some(own) = honest.first_chunk_mut() {
            *own = u32::try_from(length).unwrap().to_ne_bytes();
            assert_eq!(over_v4().answered(&honest).is_ok(), length >= SHORTEST_ANSWER, "{length} bytes");
        }
    }
    assert_eq!(over_v4().answered(&[right, vec![0; 4]].concat()), Err(Mistrust::Form));
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(over_v4().answered(&bytes).is_err());
    }

    /// What counts is bytes 0–5 and 8–11 of the header, family, state, ports, addresses (of IPv4 ones four bytes), uid, inode and
    /// cgroup.
    #[test]
    fn one_byte_of_difference_is_a_doubt_or_does_not_matter(at in 0..right().len(), change in 1..=255_u8) {
        let mut bytes = right();
        bytes[at] ^= change;
        let read = over_v4().answered(&bytes);
        let counts = matches!(at, 0..6 | 8..12 | 16 | 17 | 20..28 | 40..44);
        match at {
            80..88 => prop_assert_ne!(read, Ok(BELIEVED)),
            _ if counts => prop_assert!(read.is_err(), "{:?}", read),
            // Of the other attributes only their lengths matter, and their types where that is the one.
            88..100 => prop_assert!(matches!(read, Ok(Entry { uid: 1000, inode: 4711, cgroup: None | Some(CGROUP) })), "{:?}", read),
            100.. => prop_assert!(read.is_ok_and(|entry| entry.cgroup != Some(CGROUP)), "{:?}", read),
            _ => prop_assert_eq!(read, Ok(BELIEVED)),
        }
    }
}
