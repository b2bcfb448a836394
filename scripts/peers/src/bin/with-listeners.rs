//! Lists listeners with their processes, as a program does that uses the crate `listeners`.

fn main() {
    let listeners = listeners::get_all().expect("listeners lists listeners");
    println!("{} listeners", listeners.len());
}
