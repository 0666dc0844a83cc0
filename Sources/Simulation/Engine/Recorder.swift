internal import Topology

/// The part of a scenario, as a number.
enum PhaseIndex: UInt8, CaseIterable {
  case before, detection, failedOver, afterHeal

  var phase: Expectation.Phase {
    switch self {
    case .before: .before
    case .detection: .detection
    case .failedOver: .failedOver
    case .afterHeal: .afterHeal
    }
  }
}

/// Sums by phase and by time: what a report needs, of fixed size however many requests there are.
struct Recorder: ~Copyable {
  /// Steps of the time series at most.
  static let stepsMax = 240
  /// Buckets of a histogram: 32 for each doubling.
  private static let buckets = 1_024

  // Pointers are `var`, though never set again: as in `Run`.
  var counts: UnsafeMutablePointer<Counts>
  private var histogram: UnsafeMutablePointer<UInt32>
  private var longest: UnsafeMutablePointer<Int64>
  let stepLength: Int64
  let stepCount: Int
  let siteCount: Int
  /// By step, then by site.
  var bySite: UnsafeMutablePointer<UInt32>
  /// By step: requests between sites, errors, sessions lost, moves.
  var interSite: UnsafeMutablePointer<UInt32>
  var errors: UnsafeMutablePointer<UInt32>
  var sessionsLost: UnsafeMutablePointer<UInt32>
  var moves: UnsafeMutablePointer<UInt32>
  var marks: [FaultMark] = []
  private(set) var phase: PhaseIndex = .before
  private var phaseBegan: Int64 = 0
  private var spans: [[PhaseSpan]] = [[], [], [], []]
  /// Users who have moved at all.
  var usersMoved: UInt64 = 0
  /// When the network last changed.
  var disturbedAt: Int64 = -1

  init(_ network: NetworkModel, end: Int64) { self.init(siteCount: network.siteCount, end: end) }

  /// - Parameter siteCount: what requests are counted by, beside the time.
  init(siteCount: Int, end: Int64) {
    let phases = PhaseIndex.allCases.count
    counts = .allocate(capacity: phases)
    counts.initialize(repeating: Counts(), count: phases)
    histogram = .allocate(capacity: phases * Self.buckets)
    histogram.initialize(repeating: 0, count: phases * Self.buckets)
    longest = .allocate(capacity: phases)
    longest.initialize(repeating: 0, count: phases)
    stepLength = Self.step(for: end)
    stepCount = Int((end + stepLength - 1) / stepLength)
    self.siteCount = siteCount
    bySite = Self.zeroes(stepCount * siteCount)
    interSite = Self.zeroes(stepCount)
    errors = Self.zeroes(stepCount)
    sessionsLost = Self.zeroes(stepCount)
    moves = Self.zeroes(stepCount)
  }

  private static func zeroes(_ count: Int) -> UnsafeMutablePointer<UInt32> {
    let memory = UnsafeMutablePointer<UInt32>.allocate(capacity: max(1, count))
    memory.initialize(repeating: 0, count: max(1, count))
    return memory
  }

  deinit {
    counts.deallocate()
    histogram.deallocate()
    longest.deallocate()
    bySite.deallocate()
    interSite.deallocate()
    errors.deallocate()
    sessionsLost.deallocate()
    moves.deallocate()
  }

  /// A round length of a step, so that there are at most 240 of them: 1, 2 or 5 times a power of ten seconds, from 1 ms on.
  private static func step(for end: Int64) -> Int64 {
    var unit: Int64 = 1_000_000
    while true {
      for factor: Int64 in [1, 2, 5] where end <= unit * factor * Int64(stepsMax) { return unit * factor }
      unit *= 10
    }
  }

  @inline(__always)
  func step(_ time: Int64) -> Int { min(max(0, Int(time / stepLength)), stepCount - 1) }

  @inline(__always)
  mutating func measure(_ phase: Int, _ nanoseconds: Int64) {
    let value = UInt64(max(0, nanoseconds)) >> 10
    let bucket: Int
    if value < 32 {
      bucket = Int(value)
    } else {
      let top = 63 - value.leadingZeroBitCount
      bucket = min((top - 4) << 5 | Int(value >> UInt64(top - 5)) & 31, Self.buckets - 1)
    }
    histogram[phase * Self.buckets + bucket] &+= 1
    if nanoseconds > longest[phase] { longest[phase] = nanoseconds }
  }

  mutating func enter(_ next: PhaseIndex, at now: Int64) {
    guard next != phase else { return }
    close(at: now)
    phase = next
  }

  mutating func close(at now: Int64) {
    let index = Int(phase.rawValue)
    if let last = spans[index].last, last.endNanoseconds == phaseBegan {
      spans[index][spans[index].count - 1].endNanoseconds = now
    } else if now > phaseBegan {
      spans[index].append(PhaseSpan(beginNanoseconds: phaseBegan, endNanoseconds: now))
    }
    phaseBegan = now
  }

  private func length(_ phase: Int) -> Int64 {
    spans[phase].reduce(0) { $0 + $1.endNanoseconds - $1.beginNanoseconds }
  }

  // MARK: Reports

  private func latency(_ phases: [Int]) -> LatencyReport {
    var total: UInt64 = 0
    var sums = [UInt64](repeating: 0, count: Self.buckets)
    var most: Int64 = 0
    for phase in phases {
      most = max(most, longest[phase])
      for bucket in 0..<Self.buckets {
        sums[bucket] += UInt64(histogram[phase * Self.buckets + bucket])
        total += UInt64(histogram[phase * Self.buckets + bucket])
      }
    }
    func quantile(_ permille: UInt64) -> Int64 {
      guard total > 0 else { return 0 }
      let rank = max(1, (total * permille + 999) / 1000)
      var seen: UInt64 = 0
      for bucket in 0..<Self.buckets {
        seen += sums[bucket]
        if seen >= rank { return min(Self.middle(bucket), most) }
      }
      return most
    }
    return LatencyReport(
      count: total, p50Nanoseconds: quantile(500), p99Nanoseconds: quantile(990), maxNanoseconds: most)
  }

  private static func middle(_ bucket: Int) -> Int64 {
    if bucket < 32 { return (Int64(bucket) << 10) + 512 }
    let top = bucket >> 5 + 4
    let width = Int64(1) << Int64(top - 5)
    return (Int64(1) << Int64(top) + Int64(bucket & 31) * width + width / 2) << 10
  }

  func reports() -> [PhaseReport] {
    var found: [PhaseReport] = []
    for phase in PhaseIndex.allCases {
      let index = Int(phase.rawValue)
      guard !spans[index].isEmpty || counts[index].requests > 0 else { continue }
      found.append(
        PhaseReport(
          phase: phase.phase, lengthNanoseconds: length(index), counts: counts[index], latency: latency([index]),
          spans: spans[index]))
    }
    return found
  }

  func total() -> PhaseReport {
    var sum = Counts()
    for phase in PhaseIndex.allCases { sum += counts[Int(phase.rawValue)] }
    sum.usersMoved = usersMoved
    return PhaseReport(
      phase: .all, lengthNanoseconds: (0..<4).reduce(0) { $0 + length($1) }, counts: sum,
      latency: latency([0, 1, 2, 3]),
      spans: [PhaseSpan(beginNanoseconds: 0, endNanoseconds: phaseBegan)])
  }

  func series(_ sites: [String]) -> TimeSeries {
    func list(_ memory: UnsafeMutablePointer<UInt32>) -> [UInt32] { (0..<stepCount).map { memory[$0] } }
    return TimeSeries(
      stepNanoseconds: stepLength, sites: sites,
      requestsBySite: sites.indices.map { site in (0..<stepCount).map { bySite[$0 * siteCount + site] } },
      interSite: list(interSite), errors: list(errors), sessionsLost: list(sessionsLost), moves: list(moves))
  }
}
