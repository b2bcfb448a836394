//! What `/proc/PID/fdinfo/FD` says of descriptors that hold other descriptors (`proc(5)`).

/// The inodes of the sockets among the fixed files of an `io_uring`: the block `UserFiles:`, whose lines are
/// `    0: socket:[4711]`. `None` without that block: the kernel leaves it out while the ring is busy.
#[must_use]
pub fn fixed_sockets(text: &[u8]) -> Option<Vec<u64>> {
    let mut lines = text.split(|byte| *byte == b'\n');
    lines.find(|line| line.starts_with(b"UserFiles:"))?;
    Some(lines.map_while(numbered).filter_map(socket_inode).collect())
}

/// What stands behind the number of a line such as `    0: socket:[4711]`; `None` for a line of another block.
fn numbered(line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii_start();
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = line.split_at(digits);
    rest.strip_prefix(b": ").filter(|_| !number.is_empty())
}

/// How many descriptors wait in the messages of a Unix socket that nobody has received yet (`scm_fds:`, since
/// Linux 5.6).
#[must_use]
pub fn waiting_descriptors(text: &[u8]) -> u64 {
    text.split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"scm_fds:"))
        .and_then(|count| number(count.trim_ascii()))
        .unwrap_or(0)
}

/// The inode in the link of an open socket, `socket:[4711]`.
#[must_use]
pub fn socket_inode(link: &[u8]) -> Option<u64> {
    number(link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

fn number(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_socket_links_have_a_socket_inode() {
        assert_eq!(socket_inode(b"socket:[4711]"), Some(4711));
        for link in [
            &b"pipe:[4711]"[..],
            b"socket:[]",
            b"socket:[4711",
            b"/tmp/socket:[4711]",
            b"socket:[-1]",
        ] {
            assert_eq!(socket_inode(link), None, "{}", link.escape_ascii());
        }
    }

    #[test]
    fn the_fixed_files_are_those_of_their_block() {
        let table: [(&[u8], Option<&[u64]>); 5] = [
            (b"SqThread:\t-1\nUserFiles:\t1\n    0: socket:[47]\nUserBufs:\t0\n", Some(&[47])),
            (
                b"UserFiles:\t4\n    0: socket:[47]\n    2: /tmp/x\n    3: socket:[48]\nUserBufs:\t1\n    0: 0x1/2\n",
                Some(&[47, 48]),
            ),
            (b"UserFiles:\t0\nUserBufs:\t1\n    0: socket:[47]\n", Some(&[])),
            (b"UserFiles:\t1\n    0: /tmp/socket:[47]\n", Some(&[])),
            (b"pos:\t0\n    0: socket:[47]\n", None),
        ];
        for (text, expected) in table {
            let found = fixed_sockets(text);
            assert_eq!(found.as_deref(), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn waiting_descriptors_are_counted_where_the_kernel_says_so() {
        for (text, expected) in [
            (&b"pos:\t0\nflags:\t02\nino:\t5\nscm_fds: 3\n"[..], 3),
            (b"pos:\t0\nscm_fds: 0\n", 0),
            (b"pos:\t0\nino:\t5\n", 0),
            (b"scm_fds: x\n", 0),
            (b"", 0),
        ] {
            assert_eq!(waiting_descriptors(text), expected, "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(fixed_sockets(&bytes).is_none_or(|found| found.len() <= bytes.len()));
            prop_assert!(waiting_descriptors(&bytes) < u64::MAX);
        }
    }
}
