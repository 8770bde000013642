use nix::unistd::geteuid;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;

use super::*;

/// A connection to `listener`, which is asked for as `to`; not accepted yet.
async fn knocked(listener: &TcpListener, to: &str) -> TcpStream {
    let port = listener.local_addr().unwrap().port();
    TcpStream::connect((to, port)).await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a few connections, so the backlog is of no matter")]
async fn listener(address: &str) -> TcpListener {
    TcpListener::bind(address).await.unwrap()
}

async fn accepted(listener: &TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

fn uid(table: SocketTable, stream: &TcpStream) -> Option<u32> {
    table.process_of_peer(stream, None).uid
}

fn own() -> Option<u32> {
    Some(geteuid().as_raw())
}

#[tokio::test]
async fn the_user_of_a_connection_is_known_however_it_is_addressed() {
    let table = SocketTable::new();
    let v4 = listener("127.0.0.1:0").await;
    for to in ["127.0.0.1", "::ffff:127.0.0.1"] {
        let _client = knocked(&v4, to).await;
        assert_eq!(uid(table, &accepted(&v4).await), own(), "{to}");
    }
    let v6 = listener("[::1]:0").await;
    let _client = knocked(&v6, "::1").await;
    assert_eq!(uid(table, &accepted(&v6).await), own());

    let elsewhere = TcpSocket::new_v4().unwrap();
    elsewhere.bind("127.0.0.7:0".parse().unwrap()).unwrap();
    elsewhere.bind_device(Some(b"lo")).unwrap();
    let _client = elsewhere.connect(v4.local_addr().unwrap()).await.unwrap();
    assert_eq!(uid(table, &accepted(&v4).await), own(), "bound to an address and an interface");
}

#[tokio::test]
async fn whoever_has_closed_or_half_closed_is_unknown() {
    let table = SocketTable::new();
    let listener = listener("127.0.0.1:0").await;
    let mut half = knocked(&listener, "127.0.0.1").await;
    half.write_all(b"request").await.unwrap();
    half.shutdown().await.unwrap();
    assert_eq!(uid(table, &accepted(&listener).await), None, "half-closed");

    let mut gone = knocked(&listener, "127.0.0.1").await;
    gone.write_all(b"request").await.unwrap();
    drop(gone);
    assert_eq!(uid(table, &accepted(&listener).await), None, "closed");
}

/// A reset connection can still be read from, and its port be had by somebody else.
#[tokio::test]
async fn the_next_one_at_the_same_port_does_not_answer_for_a_reset_connection() {
    let table = SocketTable::new();
    let listener = listener("127.0.0.1:0").await;
    let (port, next) = loop {
        let mut first = knocked(&listener, "127.0.0.1").await;
        let port = first.local_addr().unwrap();
        first.write_all(b"request").await.unwrap();
        rustix::net::sockopt::set_socket_linger(&first, Some(std::time::Duration::ZERO)).unwrap();
        drop(first);
        let next = TcpSocket::new_v4().unwrap();
        next.set_reuseaddr(true).unwrap();
        match next.bind(port) {
            Ok(()) => break (port, next),
            // What is left of an earlier connection from this port to elsewhere holds it for a minute.
            Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => drop(accepted(&listener).await),
            Err(cause) => panic!("{cause}"),
        }
    };
    let _next = next.connect(listener.local_addr().unwrap()).await.unwrap();

    let (of_first, of_next) = (accepted(&listener).await, accepted(&listener).await);
    let mut room = [0; 16];
    assert_eq!(of_first.try_read(&mut room).unwrap(), 7, "what came before the reset is there to be read");
    let at = (port, listener.local_addr().unwrap());
    let doubt = table.entry_at(at.0, at.1, &of_first).unwrap_err();
    assert!(matches!(doubt, Doubt::Elsewhere), "{doubt}");
    assert_eq!(uid(table, &of_first), None);
    assert_eq!(uid(table, &of_next), own());
}

#[tokio::test]
async fn the_overflow_uid_is_nobody() {
    let listener = listener("127.0.0.1:0").await;
    let _client = knocked(&listener, "127.0.0.1").await;
    let stream = accepted(&listener).await;
    let table = SocketTable { overflow: geteuid().as_raw() };
    assert_eq!(uid(table, &stream), None);
}

#[tokio::test]
async fn a_listener_is_seen_and_another_socket_in_its_place_is_not() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = listener(address).await;
        holds(&listener).unwrap_or_else(|doubt| panic!("{address}: {doubt}"));
        let netlink = Netlink::open().unwrap();
        let entry = netlink.ask(&Question::listener(listener.local_addr().unwrap(), 9)).unwrap();
        let doubt = is_this(entry, std::fs::File::open("/").unwrap()).unwrap_err();
        assert!(matches!(doubt, Doubt::Elsewhere), "{doubt}");
    }
}
