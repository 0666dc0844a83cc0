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
}
