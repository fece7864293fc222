// Five tasks of different length on two workers, with Tokio's work-stealing runtime: which thread runs what, and when.
// TASKS is "160,80,40,40,20": milliseconds of work. A task works in slices of SLICE_MS and yields between them.
use std::collections::HashMap;
use std::sync::Mutex;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

static SEEN: Mutex<Option<HashMap<ThreadId, usize>>> = Mutex::new(None);

fn worker() -> usize {
    let mut seen = SEEN.lock().expect("no panics");
    let map = seen.get_or_insert_with(HashMap::new);
    let next = map.len();
    *map.entry(std::thread::current().id()).or_insert(next)
}

fn churn(rounds: u64) -> u64 {
    let mut x = 0x9e37_79b9_u32;
    for _ in 0..rounds {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
    }
    std::hint::black_box(u64::from(x))
}

// Rounds per millisecond: the best of several tries, so that a busy neighbour does not make the work shorter.
fn calibrate() -> u64 {
    const ROUNDS: u64 = 2_000_000;
    let best = (0..20)
        .map(|_| {
            let start = Instant::now();
            churn(ROUNDS);
            start.elapsed()
        })
        .min()
        .unwrap_or(Duration::from_millis(1));
    (ROUNDS as f64 / best.as_secs_f64() / 1000.0) as u64
}

async fn work(task: usize, slices: u64, rounds: u64, origin: Instant) {
    for slice in 0..slices {
        let start = origin.elapsed();
        churn(rounds);
        let end = origin.elapsed();
        let (start, end) = (start.as_secs_f64() * 1000.0, end.as_secs_f64() * 1000.0);
        println!("{{\"task\":{task},\"slice\":{slice},\"worker\":{},\"start\":{start:.3},\"end\":{end:.3}}}", worker());
        tokio::task::yield_now().await;
    }
}

fn main() {
    let tasks = std::env::var("TASKS").expect("TASKS");
    let lengths: Vec<u64> = tasks.split(',').map(|text| text.parse().expect("TASKS holds milliseconds")).collect();
    let slice_ms: u64 = std::env::var("SLICE_MS").expect("SLICE_MS").parse().expect("SLICE_MS is a number");
    let workers: usize = std::env::var("WORKERS").expect("WORKERS").parse().expect("WORKERS is a number");
    let rounds = calibrate() * slice_ms;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().expect("runtime");
    runtime.block_on(async move {
        let origin = Instant::now();
        let running: Vec<_> = lengths
            .iter()
            .enumerate()
            .map(|(task, length)| tokio::spawn(work(task, length / slice_ms, rounds, origin)))
            .collect();
        for task in running {
            task.await.expect("no panics");
        }
    });
}
