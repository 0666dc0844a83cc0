import Testing

@testable import Routing

@Suite struct TrialBoardTests {
  let second = CoreFixture.second

  @Test("C2: one trial an interval and server") func oneAnInterval() {
    let board = TrialBoard(count: 2)
    defer { board.deallocate() }
    #expect(board.begin(0, now: 0, interval: second), "the first is free, whatever the clock says")
    #expect(!board.begin(0, now: second - 1, interval: second))
    #expect(board.begin(1, now: second - 1, interval: second), "each server for itself")
    #expect(board.begin(0, now: second, interval: second))
  }

  @Test func pendingUntilItsOwnEndOrABound() {
    let board = TrialBoard(count: 1)
    defer { board.deallocate() }
    #expect(!board.isPending(0, now: 0, bound: second))
    _ = board.begin(0, now: 5, interval: second)
    #expect(board.isPending(0, now: 5, bound: second))
    #expect(!board.isPending(0, now: 5 + second, bound: second))
    board.finish(0, began: 4, reached: false)
    #expect(board.isPending(0, now: 6, bound: second), "the end of another trial")
    board.finish(0, began: 5, reached: false)
    #expect(!board.isPending(0, now: 6, bound: second))
    #expect(!board.begin(0, now: 7, interval: second), "the interval counts from the begin")
  }

  @Test func aTrialThatReachedTheServerVouchesForItForAnInterval() {
    let board = TrialBoard(count: 1)
    defer { board.deallocate() }
    #expect(!board.vouches(0, now: 0, interval: second))
    _ = board.begin(0, now: 10, interval: second)
    #expect(!board.vouches(0, now: 11, interval: second))
    board.finish(0, began: 10, reached: true)
    #expect(board.vouches(0, now: 11, interval: second))
    #expect(!board.vouches(0, now: 10 + second, interval: second))
    board.finish(0, began: 10, reached: false)
    #expect(board.vouches(0, now: 11, interval: second), "it has ended already")
    board.revoke(0)
    #expect(!board.vouches(0, now: 11, interval: second))
    #expect(!board.begin(0, now: 12, interval: second))
  }
}

extension TrialBoardTests {
  @Test("C2: a request that was refused counts as the trial") func aRefusalCounts() {
    let board = TrialBoard(count: 2)
    defer { board.deallocate() }
    board.counts(0, now: 5)
    #expect(!board.begin(0, now: 4 + second, interval: second))
    #expect(board.begin(0, now: 5 + second, interval: second))
    board.counts(0, now: 6 + second)
    board.finish(0, began: 5 + second, reached: true)
    #expect(board.vouches(0, now: 6 + second, interval: second), "a trial under way is left alone")
    board.counts(0, now: 7 + second)
    #expect(board.vouches(0, now: 7 + second, interval: second), "and so is one that vouches")
  }
}

@Suite struct HintBoardTests {
  @Test("E3: a hint stands for its time, then one request at a time renews it") func oneProbe() {
    let board = HintBoard(siteCount: 2)
    defer { board.deallocate() }
    #expect(board.verdict(site: 0, for: .newUsers, now: 5, interval: 10) == .clear)
    board.set(site: 0, for: .newUsers, until: 10)
    #expect(board.isSet(site: 0) && !board.isSet(site: 1))
    #expect(board.verdict(site: 0, for: .newUsers, now: 9, interval: 10) == .passBy)
    #expect(board.verdict(site: 0, for: .ownUsers, now: 9, interval: 10) == .clear)
    #expect(board.verdict(site: 0, for: .newUsers, now: 10, interval: 10) == .probe)
    #expect(board.verdict(site: 0, for: .newUsers, now: 10, interval: 10) == .passBy)
    #expect(board.verdict(site: 0, for: .newUsers, now: 20, interval: 10) == .probe)
    board.clear(site: 0)
    #expect(board.verdict(site: 0, for: .newUsers, now: 21, interval: 10) == .clear)
    #expect(!board.isSet(site: 0))
  }

  @Test("E3: a site that is alive gets its own users back, and new ones when it says so") func endedByMonitor() {
    let board = HintBoard(siteCount: 1)
    defer { board.deallocate() }
    board.set(site: 0, for: .ownUsers, until: 10)
    board.end(site: 0, by: MonitorStatement(admit: false, alive: false))
    #expect(board.verdict(site: 0, for: .ownUsers, now: 1, interval: 10) == .passBy)
    board.end(site: 0, by: MonitorStatement(admit: false, alive: true))
    #expect(board.verdict(site: 0, for: .ownUsers, now: 1, interval: 10) == .clear)
    #expect(board.verdict(site: 0, for: .newUsers, now: 1, interval: 10) == .passBy)
    board.end(site: 0, by: MonitorStatement(admit: true, alive: true))
    #expect(board.verdict(site: 0, for: .newUsers, now: 1, interval: 10) == .clear)
  }

  @Test("E3: a site that moves its own users takes no new ones either") func ownUsersIncludeNew() {
    let board = HintBoard(siteCount: 1)
    defer { board.deallocate() }
    board.set(site: 0, for: .ownUsers, until: 10)
    #expect(board.verdict(site: 0, for: .newUsers, now: 1, interval: 10) == .passBy)
    #expect(board.verdict(site: 0, for: .ownUsers, now: 1, interval: 10) == .passBy)
    board.clear(site: 0)
    #expect(board.verdict(site: 0, for: .ownUsers, now: 1, interval: 10) == .clear)
  }
}
