//! Listening sockets: one for both families of addresses where the kernel has both.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that wait in the kernel until they are accepted.
const BACKLOG: i32 = 1024;

/// Listens on an address. `[::]` is every address of IPv4, too, whatever the machine's own
/// default is; where the kernel has no IPv6, it is `0.0.0.0`.
///
/// # Errors
/// When the address is in use, is none of this machine, or may not be bound.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bind_or_fall_back(address, bind)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn bind_or_fall_back<S>(
    address: SocketAddr,
    bind: impl Fn(SocketAddr) -> io::Result<S>,
) -> io::Result<S> {
    bind(address).or_else(|error| {
        // These say something of the port, not of IPv6.
        let of_port = matches!(
            error.kind(),
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
        );
        if of_port || address.ip() != Ipv6Addr::UNSPECIFIED {
            return Err(error);
        }
        bind((Ipv4Addr::UNSPECIFIED, address.port()).into()).map_err(|_| error)
    })
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    // As std and tokio do: a restart need not wait for the connections of its predecessor.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, TcpStream};

    use super::*;

    /// What Linux says of an IPv6 socket when it has no IPv6.
    const EAFNOSUPPORT: i32 = 97;

    fn any_v6(port: u16) -> SocketAddr {
        (Ipv6Addr::UNSPECIFIED, port).into()
    }

    #[tokio::test]
    async fn the_unspecified_address_is_reached_by_both_families() {
        let listener = listen(any_v6(0)).unwrap();
        let bound = listener.local_addr().unwrap();
        let v4 = IpAddr::from(Ipv4Addr::LOCALHOST);
        let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
        let families = if bound.is_ipv6() {
            vec![v4, v6]
        } else {
            vec![v4]
        };
        for address in families {
            let connected = TcpStream::connect((address, bound.port()));
            assert!(connected.is_ok(), "{address}: {connected:?}");
        }
    }

    #[test]
    fn without_ipv6_the_unspecified_address_is_that_of_ipv4() {
        let bind = |address: SocketAddr| match address {
            SocketAddr::V6(_) => Err(io::Error::from_raw_os_error(EAFNOSUPPORT)),
            SocketAddr::V4(_) => Ok(address),
        };
        let bound = bind_or_fall_back(any_v6(10250), bind).unwrap();
        assert_eq!(bound.to_string(), "0.0.0.0:10250");
        // A single address has no counterpart in the other family.
        let loopback = (Ipv6Addr::LOCALHOST, 10250).into();
        assert!(bind_or_fall_back(loopback, bind).is_err());
    }

    #[test]
    fn a_port_in_use_or_forbidden_is_no_reason_to_serve_one_family_alone() {
        for kind in [io::ErrorKind::AddrInUse, io::ErrorKind::PermissionDenied] {
            let bind = |address: SocketAddr| match address {
                SocketAddr::V6(_) => Err(io::Error::from(kind)),
                SocketAddr::V4(_) => Ok(address),
            };
            let refused = bind_or_fall_back(any_v6(443), bind).unwrap_err();
            assert_eq!(refused.kind(), kind);
        }
    }

    #[test]
    fn where_neither_family_is_there_the_error_is_that_of_the_address_asked_for() {
        let bind = |address: SocketAddr| -> io::Result<()> {
            let code = if address.is_ipv6() { EAFNOSUPPORT } else { 1 };
            Err(io::Error::from_raw_os_error(code))
        };
        let refused = bind_or_fall_back(any_v6(10250), bind).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(EAFNOSUPPORT));
    }
}
