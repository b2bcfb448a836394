//! What `who` tells beside the sockets.

use super::{Endpoint, Gap, Interface, Lookup, Socket, SocketState};
use std::net::{IpAddr, SocketAddr};

/// A process by its id and the name of its program; of an interpreter, the name of what it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its id in our pid namespace.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

/// What starts a process again when it is killed, and the command that stops it instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervisor {
    /// The supervisor.
    pub process: Named,
    /// The words of the command; `None` where what it calls the process could not be read.
    pub stop: Option<Vec<String>>,
}

/// A client that is connected now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its end of the connection.
    pub address: SocketAddr,
    /// The state of our end.
    pub state: SocketState,
    /// The process that it is, where it runs on this host and may be looked at.
    pub process: Option<Named>,
}

/// A socket, and what is around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The socket.
    pub socket: Socket,
    /// The processes above its foremost holder, its parent first.
    pub ancestors: Vec<Named>,
    /// What would start that holder again.
    pub supervisor: Option<Supervisor>,
    /// Who is connected to it.
    pub clients: Vec<Client>,
    /// How many closed connections to it the kernel still keeps (`TIME_WAIT`).
    pub time_wait: usize,
    /// What else that holder serves.
    pub also: Vec<(Endpoint, IpAddr)>,
}

impl From<Socket> for Holding {
    /// With nothing around it.
    fn from(socket: Socket) -> Self {
        Self {
            socket,
            ancestors: Vec::new(),
            supervisor: None,
            clients: Vec::new(),
            time_wait: 0,
            also: Vec::new(),
        }
    }
}

/// A packet that might arrive from a client, and where the kernel would deliver it, as far as no rule stops it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The port.
    pub endpoint: Endpoint,
    /// Where it comes from; port 0 stands for any.
    pub from: SocketAddr,
    /// The address of ours that it goes to.
    pub to: IpAddr,
    /// The device that it arrives on.
    pub interface: Interface,
    /// Where it lands.
    pub lands: Lookup,
    /// The socket that it lands in, where it was listed.
    pub socket: Option<Socket>,
}

/// What `who` found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// The sockets.
    pub found: Vec<Holding>,
    /// Where packets of the client that was asked for would land.
    pub arrivals: Vec<Arrival>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}
