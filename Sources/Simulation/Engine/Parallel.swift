internal import Glibc
internal import Synchronization

/// Independent work on several threads, its results in order.
enum Parallel {
  private final class Work<Item: Sendable>: Sendable {
    let next = Atomic<Int>(0)
    let results: Mutex<[Item?]>
    let count: Int
    let body: @Sendable (Int) -> Item

    init(_ count: Int, _ body: @escaping @Sendable (Int) -> Item) {
      self.count = count
      self.body = body
      results = Mutex(Array(repeating: nil, count: count))
    }

    func go() {
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < count else { return }
        let item = body(index)
        results.withLock { $0[index] = item }
      }
    }
  }

  /// `body` of each number below `count`, on up to `threads` threads.
  static func map<Item: Sendable>(
    _ count: Int, threads: Int, _ body: @escaping @Sendable (Int) -> Item
  ) -> [Item] {
    let work = Work(count, body)
    var started: [pthread_t] = []
    for _ in 1..<max(1, min(threads, count)) {
      var thread = pthread_t()
      let box = Unmanaged.passRetained(Box { work.go() })
      let failed = pthread_create(
        &thread, nil,
        { argument in
          guard let argument else { return nil }
          Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().run()
          return nil
        }, box.toOpaque())
      if failed == 0 { started.append(thread) } else { box.release() }
    }
    work.go()
    for thread in started { pthread_join(thread, nil) }
    return work.results.withLock { $0.compactMap { $0 } }
  }

  private final class Box: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }
}
