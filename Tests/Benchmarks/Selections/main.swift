import Foundation
import Routing
import Topology
import TopologyFile

// Chooses servers for new users as a worker does, each with a slot reserved and given back, and prints nanoseconds of processor time a
// selection, one pass a line.
//   Selections TOPOLOGY NODE PASSES SELECTIONS
// 64 requests are under way at a time, as with 64 busy connections, so that algorithms that look at loads find some. What is chosen is
// summed and printed, so that nothing can be left out.

let arguments = CommandLine.arguments
guard arguments.count == 5, let passes = Int(arguments[3]), let selections = Int(arguments[4]), selections > 0 else {
  print("usage: Selections TOPOLOGY NODE PASSES SELECTIONS")
  exit(64)
}
guard let topology = TopologyLoader.load(arguments[1]).topology else { exit(78) }
let application = try topology.plan(for: arguments[2]).applications[0]
let shared = PoolShared(plan: application.pool, workers: 1)
var pool = Pool(application: application, shared: shared, timeScale: 1, workers: 1, seed: 1)

/// Processor time of this thread in nanoseconds: what others do on the machine counts less than with a clock.
func processorTime() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}

/// One pass; the sum of the servers' indices.
func run(_ pool: inout Pool, _ underWay: inout [Int32]) -> Int {
  var sum = 0
  var exclusions = Pool.Exclusions()
  var hash: UInt64 = 0
  for number in 0..<selections {
    // Clients' hashes: all different, spread over all 64 bits.
    hash &+= 0x9E37_79B9_7F4A_7C15
    let key = SelectionKey(clientHash: hash ^ hash >> 29, sessionHash: 0)
    let slot = number & (underWay.count - 1)
    if underWay[slot] >= 0 { shared.loads.release(underWay[slot]) }
    underWay[slot] = -1
    guard case .server(let server, _, _) = pool.select(.none, key: key, excluding: &exclusions, now: 0) else {
      continue
    }
    if shared.loads.reserve(server) {
      underWay[slot] = server
      sum &+= Int(server) &+ 1
    }
  }
  return sum
}

var underWay = [Int32](repeating: -1, count: 64)
_ = run(&pool, &underWay)
for _ in 0..<passes {
  let begin = processorTime()
  let sum = run(&pool, &underWay)
  print(String(format: "%.2f %d", (processorTime() - begin) / Double(selections), sum))
}
