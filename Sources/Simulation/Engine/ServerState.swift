internal import Routing

/// An application server while a scenario runs: when its places are free again.
struct ServerState {
  let model: ServiceModel
  var random: RandomStream
  /// When each place that is taken is free again, the earliest first: a heap, only where places are bounded. Those who wait have
  /// their place already, as it is first come, first served.
  private var ends: [Int64] = []
  /// When those who wait will be served, in this order; what has begun is left behind `begun`.
  private var starts: [Int64] = []
  private var begun = 0

  init(_ model: ServiceModel, random: RandomStream) {
    self.model = model
    self.random = random
  }

  /// Takes a request in; when it will be answered, or nil when too many wait.
  @inline(__always)
  mutating func take(now: Int64, slowness: Int64) -> Int64? {
    let service = random.exponential(mean: model.time) + slowness
    return model.concurrency == 0 ? now + service : takeBounded(now, service)
  }

  private mutating func takeBounded(_ now: Int64, _ service: Int64) -> Int64? {
    while let first = ends.first, first <= now { removeFirst() }
    if ends.count < model.concurrency {
      insert(now + service)
      return now + service
    }
    while begun < starts.count && starts[begun] <= now { begun += 1 }
    guard starts.count - begun < model.queue else { return nil }
    if begun > model.queue {
      starts.removeFirst(begun)
      begun = 0
    }
    let start = min(ends[0], 1 << 61)
    starts.append(start)
    sink(start + service)
    return start + service
  }

  /// The process has ended, and all it was busy with.
  mutating func clear() {
    ends.removeAll(keepingCapacity: true)
    starts.removeAll(keepingCapacity: true)
    begun = 0
  }

  private mutating func insert(_ end: Int64) {
    var position = ends.count
    ends.append(end)
    while position > 0, ends[(position - 1) / 2] > end {
      ends.swapAt(position, (position - 1) / 2)
      position = (position - 1) / 2
    }
  }

  private mutating func removeFirst() {
    let last = ends.removeLast()
    if !ends.isEmpty { sink(last) }
  }

  /// Puts a time in the place of the earliest.
  private mutating func sink(_ end: Int64) {
    var position = 0
    while true {
      var child = 2 * position + 1
      guard child < ends.count else { break }
      if child + 1 < ends.count && ends[child + 1] < ends[child] { child += 1 }
      guard ends[child] < end else { break }
      ends[position] = ends[child]
      position = child
    }
    ends[position] = end
  }
}
