import Testing

@testable import DemoServer

@Suite struct SessionStoreTests {
  private let start = ContinuousClock.now

  @Test func aSessionCountsItsVisits() {
    var store = SessionStore(idle: .seconds(60), countMax: 10)
    var random = SystemRandomNumberGenerator()
    let first = store.visit(candidates: [], now: start, random: &random)
    #expect(first.isNew && first.count == 1)
    let second = store.visit(candidates: [first.id], now: start, random: &random)
    #expect(second == SessionStore.Visit(id: first.id, isNew: false, count: 2))
  }

  @Test func anUnknownIdBeginsASessionOfAnotherId() {
    var store = SessionStore(idle: .seconds(60), countMax: 10)
    var random = SystemRandomNumberGenerator()
    let stranger = SessionID(high: 1, low: 2)
    let visit = store.visit(candidates: [stranger], now: start, random: &random)
    #expect(visit.isNew && visit.id != stranger && visit.count == 1)
  }

  @Test func theFirstKnownOfSeveralCookiesIsTaken() {
    var store = SessionStore(idle: .seconds(60), countMax: 10)
    var random = SystemRandomNumberGenerator()
    let known = store.visit(candidates: [], now: start, random: &random).id
    let visit = store.visit(candidates: [SessionID(high: 0, low: 0), known], now: start, random: &random)
    #expect(visit.id == known && visit.count == 2)
  }

  @Test func anIdleSessionIsForgottenAndAUsedOneIsKept() {
    var store = SessionStore(idle: .seconds(60), countMax: 10)
    var random = SystemRandomNumberGenerator()
    let idle = store.visit(candidates: [], now: start, random: &random).id
    let used = store.visit(candidates: [], now: start, random: &random).id
    _ = store.visit(candidates: [used], now: start + .seconds(59), random: &random)
    #expect(store.visit(candidates: [idle], now: start + .seconds(60), random: &random).isNew)
    #expect(!store.visit(candidates: [used], now: start + .seconds(61), random: &random).isNew)
  }

  @Test func aFullStoreForgetsTheSessionUnseenForLongest() {
    var store = SessionStore(idle: .seconds(3600), countMax: 3)
    var random = SystemRandomNumberGenerator()
    let ids = (0..<3).map { _ in store.visit(candidates: [], now: start, random: &random).id }
    _ = store.visit(candidates: [ids[0]], now: start, random: &random)
    _ = store.visit(candidates: [], now: start, random: &random)
    #expect(store.count == 3)
    #expect(!store.visit(candidates: [ids[0]], now: start, random: &random).isNew)
    #expect(!store.visit(candidates: [ids[2]], now: start, random: &random).isNew)
    #expect(store.visit(candidates: [ids[1]], now: start, random: &random).isNew)
  }

  /// Against a plain list in order of last use, with many random visits.
  @Test func behavesAsAListInOrderOfLastUse() {
    var store = SessionStore(idle: .seconds(20), countMax: 8)
    var model: [(id: SessionID, seen: ContinuousClock.Instant, count: Int)] = []
    var known: [SessionID] = [SessionID(high: 9, low: 9)]
    var random = SystemRandomNumberGenerator()
    var now = start
    for _ in 0..<5000 {
      now += .seconds(Int.random(in: 0...4))
      model.removeAll { $0.seen.duration(to: now) >= .seconds(20) }
      let candidate = known[Int.random(in: 0..<known.count)]
      let visit = store.visit(candidates: [candidate], now: now, random: &random)
      if let index = model.firstIndex(where: { $0.id == candidate }) {
        let entry = model.remove(at: index)
        #expect(visit == SessionStore.Visit(id: candidate, isNew: false, count: entry.count + 1))
        model.append((candidate, now, entry.count + 1))
      } else {
        #expect(visit.isNew && visit.count == 1)
        if model.count == 8 { model.removeFirst() }
        model.append((visit.id, now, 1))
        known.append(visit.id)
        if known.count > 16 { known.removeFirst() }
      }
      #expect(store.count == model.count)
    }
  }

  @Test func anIdIs32HexadecimalDigits() {
    let id = SessionID(high: 0x0123_4567_89ab_cdef, low: 0xf)
    #expect(id.text == "0123456789abcdef000000000000000f")
    #expect(SessionID(id.text) == id)
    #expect(SessionID(id.text.uppercased()) == id)
    for text in ["", "1", String(repeating: "g", count: 32), id.text + "0", "W14~" + id.text] {
      #expect(SessionID(text) == nil)
    }
  }
}
