//! Why the kernel frees a packet (the tracepoint `skb:kfree_skb`, `include/trace/events/skb.h`). The numbers of the
//! reasons differ from kernel to kernel: each says itself what they mean.

use std::collections::BTreeMap;

/// The tracepoint's name, as a path.
pub const TRACEPOINT: &str = "skb/kfree_skb";

/// The tracepoint as this kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// The number that it is asked for by.
    pub id: u64,
    reason: usize,
    location: usize,
    names: BTreeMap<u32, String>,
}

/// One packet that was freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Freed<'a> {
    /// The kernel's name of the reason, as `IP_RPFILTER`.
    pub reason: &'a str,
    /// The address in the kernel at which it was freed.
    pub location: u64,
}

impl Format {
    /// Reads the file `format` of the tracepoint; `None` for a kernel that tells no reason (before Linux 5.17).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id = text.lines().find_map(|line| line.strip_prefix("ID: "))?.trim().parse().ok()?;
        let offset = |name: &str| -> Option<usize> {
            let is_of = |line: &&str| line.split(';').next().is_some_and(|it| it.ends_with(name));
            let mut fields = text.lines().filter(|line| line.contains("field:"));
            let line = fields.find(is_of)?;
            line.split("offset:").nth(1)?.split(';').next()?.parse().ok()
        };
        // __print_symbolic(REC->reason, { 2, "NOT_SPECIFIED" }, …)
        let pairs = text.split("{ ").skip(1).filter_map(|pair| {
            let (number, rest) = pair.split_once(',')?;
            let name = rest.split('"').nth(1)?;
            Some((number.trim().parse().ok()?, name.to_owned()))
        });
        let names: BTreeMap<u32, String> = pairs.collect();
        let (reason, location) = (offset(" reason")?, offset(" location")?);
        (!names.is_empty()).then_some(Self { id, reason, location, names })
    }

    /// Reads the fields of one event; `None` for a reason that has no name.
    #[must_use]
    pub fn freed(&self, fields: &[u8]) -> Option<Freed<'_>> {
        let reason = u32::from_ne_bytes(*fields.get(self.reason..)?.first_chunk()?);
        let location = u64::from_ne_bytes(*fields.get(self.location..)?.first_chunk()?);
        Some(Freed { reason: self.names.get(&reason)?, location })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORMAT: &str = "name: kfree_skb
ID: 2310
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;

\tfield:void * skbaddr;\toffset:8;\tsize:8;\tsigned:0;
\tfield:void * location;\toffset:16;\tsize:8;\tsigned:0;
\tfield:unsigned short protocol;\toffset:32;\tsize:2;\tsigned:0;
\tfield:enum skb_drop_reason reason;\toffset:36;\tsize:4;\tsigned:0;

print fmt: \"skbaddr=%p reason: %s\", REC->skbaddr, __print_symbolic(REC->reason, { 2, \"NOT_SPECIFIED\" }, \
                          { 16, \"IP_RPFILTER\" })
";

    #[test]
    fn a_kernel_says_itself_what_its_numbers_mean() {
        let format = Format::parse(FORMAT).unwrap();
        assert_eq!(format.id, 2310);
        let mut fields = vec![0; 40];
        fields[16..24].copy_from_slice(&0xffff_ffff_8100_0000_u64.to_ne_bytes());
        fields[36] = 16;
        let freed = Freed { reason: "IP_RPFILTER", location: 0xffff_ffff_8100_0000 };
        assert_eq!(format.freed(&fields), Some(freed));
        fields[36] = 17;
        assert_eq!(format.freed(&fields), None, "nameless");
        assert_eq!(format.freed(&fields[..39]), None, "cut short");
        let old = FORMAT.replace("enum skb_drop_reason reason", "int other");
        assert_eq!(Format::parse(&old), None);
    }

    proptest! {
        #[test]
        fn any_text_ends_without_a_panic(text in ".{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _any = Format::parse(&text);
            let _any = Format::parse(FORMAT).unwrap().freed(&bytes);
        }
    }
}
