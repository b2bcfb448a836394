//! A certificate that openssl made, and what becomes of it when bytes of it change.

use super::*;
use proptest::prelude::*;

/// O=Example, CN=web.example, self-signed, from 2026-01-01 to 2027-01-02 03:04:05 UTC.
const DER: &str = "\
    308201ab30820152a003020102020101300a06082a8648ce3d04030230283110300e060355040a0c074578616d706c65 \
    3114301206035504030c0b7765622e6578616d706c65301e170d3236303130313030303030305a170d32373031303230 \
    33303430355a30283110300e060355040a0c074578616d706c653114301206035504030c0b7765622e6578616d706c65 \
    3059301306072a8648ce3d020106082a8648ce3d030107034200042a9b2552580b85baa7f42cf0174d6e54e9802d0410 \
    378bf48aff87d4fc0b639842f4c5680e4b604129e1cae380df2f2253044195f18e24135b10b86ccc17b701a36d306b30 \
    4a0603551d1104433041820b7765622e6578616d706c65820d2a2e7765622e6578616d706c6587040a0000058710fd77 \
    0000000000000000000000000002810b6140622e6578616d706c65301d0603551d0e041604143fae673dc44e04ea8dd7 \
    d034a6463eaf6b40e3fc300a06082a8648ce3d0403020347003044022068c52b8991665d39a63c3e7d586295a5f93f9c \
    60417346fb5fdb0ef65e4ae3ea02202919f2d625b8c79ef9da4554fdc562ad02b45dcd249c701a169154393187a055";

fn der() -> Vec<u8> {
    let digits: Vec<u8> =
        DER.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn names_issuer_and_validity_are_read() {
    let expected = Certificate {
        subject: "CN=web.example,O=Example".into(),
        names: ["web.example", "*.web.example", "10.0.0.5", "fd77::2"].map(Into::into).into(),
        more_names: 0,
        issuer: "CN=web.example,O=Example".into(),
        self_issued: true,
        not_before: 1_767_225_600,
        not_after: 1_798_859_045,
    };
    assert_eq!(certificate(&der()), Ok(expected));
}

#[test]
fn a_name_is_written_with_its_parts_apart() {
    let mut der = der();
    let names: Vec<_> =
        (0..der.len() - 11).filter(|at| der[*at..].starts_with(b"web.example0")).collect();
    assert_eq!(names.len(), 2, "issuer and subject");
    // A comma that ends no part, in the subject only.
    der[names[1] + 3] = b',';
    // The organisation's kind becomes one without a short form.
    let kind = der.windows(5).rposition(|window| window == [6, 3, 0x55, 4, 10]).unwrap();
    der[kind + 4] = 97;
    let read = certificate(&der).unwrap();
    assert_eq!(read.subject, "CN=web\\,example,2.5.4.97=Example");
    assert_eq!(read.issuer, "CN=web.example,O=Example");
    assert!(!read.self_issued);
    // Of a string of 16 bits for each character the same bytes are others.
    let kind = names[1] - 2;
    der[kind] = 30;
    assert!(certificate(&der).unwrap().subject.starts_with("CN=\u{7765}\u{622c}"));
}

#[test]
fn a_malformed_certificate_says_so() {
    let der = der();
    for length in 0..der.len() {
        let error = certificate(&der[..length]).unwrap_err();
        assert!(error.starts_with("malformed certificate: "), "{error}");
    }
}

#[test]
fn a_malformed_name_does_not_hide_the_others() {
    let mut der = der();
    let at = der.windows(5).position(|window| window == [0x87, 4, 10, 0, 0]).unwrap();
    // An address of four bytes under the tag of an unknown kind of name.
    der[at] = 0x8f;
    assert_eq!(certificate(&der).unwrap().names, ["web.example", "*.web.example", "fd77::2"]);
}

proptest! {
    #[test]
    fn any_change_ends_without_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut der = der();
        for (at, byte) in changes {
            let at = at.index(der.len());
            der[at] = byte;
        }
        if let Ok(read) = certificate(&der) {
            prop_assert!(read.names.len() <= MOST_NAMES);
            prop_assert!(read.subject.len() <= 1024 && read.issuer.len() <= 1024);
        }
    }

    #[test]
    fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _read = certificate(&bytes);
    }
}
