//! Clients at other addresses of the loopback network, each a peer of its own.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};

/// A connection from `127.0.0.HOST`.
pub(crate) async fn connect_from(host: u8, port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let own = Ipv4Addr::new(127, 0, 0, host);
    socket.bind(SocketAddr::from((own, 0))).unwrap();
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    socket.connect(server).await.unwrap()
}

/// Waits until the other side closes, and gives what it said before.
pub(crate) async fn until_closed(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let mut buffer = [0; 1024];
    // Closed with something unread is a reset, and as good.
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        said.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(said).unwrap()
}
