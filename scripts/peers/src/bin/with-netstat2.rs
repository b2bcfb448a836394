//! Lists sockets with their processes, as a program does that uses the crate `netstat2`.

use netstat2::{AddressFamilyFlags, ProtocolFlags};

fn main() {
    let families = AddressFamilyFlags::IPV4 | AddressFamilyFlags::IPV6;
    let protocols = ProtocolFlags::TCP | ProtocolFlags::UDP;
    let sockets = netstat2::get_sockets_info(families, protocols).expect("netstat2 lists sockets");
    println!("{} sockets", sockets.len());
}
