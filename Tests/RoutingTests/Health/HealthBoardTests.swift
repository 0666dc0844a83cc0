import Synchronization
import Testing

@testable import Routing

struct HealthBoardTests {
  @Test func `a snapshot keeps every fact`() {
    for enabled in OperatorState.allCases {
      for liveness in Liveness.allCases {
        for (admit, isChecked) in [(true, false), (false, true)] {
          for weight in [0, 1, 4096, 0xFFFF] as [Int32] {
            for deadline in [nil, 1, 1_900_000_000, (1 << 40) - 1] as [Int64?] {
              let snapshot = HealthSnapshot(
                enabled: enabled, admit: admit, liveness: liveness, weight: weight, drainDeadline: deadline,
                isChecked: isChecked)
              #expect(snapshot.enabled == enabled && snapshot.liveness == liveness && snapshot.admit == admit)
              #expect(snapshot.weight == weight && snapshot.drainDeadline == deadline)
              #expect(snapshot.isChecked == isChecked)
              #expect(snapshot.takesOwnUsers == (enabled != .maintenance && liveness == .alive))
              #expect(snapshot.takesNewUsers == (enabled == .ready && admit && weight > 0))
            }
          }
        }
      }
    }
  }

  @Test func `readers copy after a change, and only then`() {
    let up = HealthSnapshot(weight: 16)
    let down = HealthSnapshot(admit: false, liveness: .unreachable, weight: 16)
    let board = HealthBoard.allocate([up, up, up])
    defer { board.deallocate() }
    var seen: UInt64 = 0
    var copy = [down, down, down]
    #expect(board.copy(to: &copy, seen: &seen) && copy == [up, up, up])
    #expect(board.copy(to: &copy, seen: &seen) == false)
    #expect(!board.publish(1, up), "the same facts are no change")
    #expect(board.copy(to: &copy, seen: &seen) == false)
    #expect(board.publish(1, down))
    #expect(board.copy(to: &copy, seen: &seen) && copy == [up, down, up])
    #expect(board.snapshot(1) == down && board.generation == seen)
  }

  @Test func `C2: one trial attempt in a second for each server`() {
    let board = HealthBoard.allocate([HealthSnapshot(weight: 16), HealthSnapshot(weight: 16)])
    defer { board.deallocate() }
    let second: Int64 = 1_000_000_000
    #expect(board.beginTrial(0, now: 5, every: second))
    #expect(!board.beginTrial(0, now: 5, every: second))
    #expect(!board.beginTrial(0, now: 4, every: second), "a worker's clock may be a little behind")
    #expect(!board.beginTrial(0, now: 4 + second, every: second))
    #expect(board.beginTrial(1, now: 6, every: second))
    #expect(board.beginTrial(0, now: 5 + second, every: second))
  }

  @Test func `C2: of many workers one gets the trial`() async {
    let board = HealthBoard.allocate([HealthSnapshot(weight: 16)])
    defer { board.deallocate() }
    let granted = Granted()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for now in 0..<10_000 where board.beginTrial(0, now: Int64(now), every: 1000) {
            granted.count.wrappingAdd(1, ordering: .relaxed)
          }
        }
      }
    }
    #expect((10...11).contains(granted.count.load(ordering: .relaxed)))
  }

  private final class Granted: Sendable {
    let count = Atomic<Int>(0)
  }
}
