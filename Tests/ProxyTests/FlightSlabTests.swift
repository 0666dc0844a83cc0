import HTTPMessage
import Routing
import Testing

@testable import Proxy

/// Records of requests: each begins as of a request of which nothing is known, whatever stood in it before.
@Suite struct FlightSlabTests {
  /// All that is in a record, field by field.
  private static func content(_ record: UnsafeMutablePointer<Flight>) -> String {
    var text = ""
    dump(record.pointee, to: &text, name: "")
    return text
  }

  private static func content(_ flight: Flight) -> String {
    var text = ""
    dump(flight, to: &text, name: "")
    return text
  }

  /// What a request may leave in its record.
  private static func use(_ record: UnsafeMutablePointer<Flight>) {
    record.pointee.request = Buffer(base: UnsafeMutableRawPointer(bitPattern: 0x5000), size: .large)
    record.pointee.request.start = 3
    record.pointee.request.end = 77
    record.pointee.stash = record.pointee.request
    record.pointee.requestBody = BodyProgress(.chunked)
    record.pointee.responseBody = BodyProgress(.length(12))
    record.pointee.outputBody = UnsafeRawPointer(bitPattern: 0x6000)
    record.pointee.outputBodyCount = 9
    record.pointee.exchange.requestBytesSent()
    record.pointee.exchange.replayLost()
    (record.pointee.status, record.pointee.bytesOut, record.pointee.interims) = (502, 4711, 15)
    (record.pointee.chosen, record.pointee.connectedAt, record.pointee.responseAt) = (1, 2, 3)
    (record.pointee.namedGroup, record.pointee.redirectedTier, record.pointee.termination) = (4, 5, 0x4348)
    (record.pointee.waitingList, record.pointee.nextWaiting, record.pointee.previousWaiting) = (1, 2, 3)
    (record.pointee.patience, record.pointee.waitedSince, record.pointee.untaken) = (1, 2, 3)
    (record.pointee.cookiePresent, record.pointee.cookieLast, record.pointee.sessionLength) = (true, 8, 9)
    (record.pointee.unacknowledged, record.pointee.requestLine, record.pointee.pieceBytes) = (6, 7, 8)
  }

  @Test func aRecordGivenBackAndTakenAgainIsBlank() {
    var slab = FlightSlab(capacity: 4)
    let blank = Self.content(Flight())
    for _ in 0..<3 {
      let record = slab.take()
      #expect(Self.content(record) == blank)
      Self.use(record)
      #expect(Self.content(record) != blank)
      slab.giveBack(record)
      let again = slab.take()
      #expect(again == record, "the one used last is used next")
      #expect(Self.content(again) == blank)
      slab.giveBack(again)
    }
  }

  @Test func recordsAreApartAndTheLastGivenBackIsTakenFirst() {
    var slab = FlightSlab(capacity: 3)
    let records = [slab.take(), slab.take(), slab.take()]
    let blank = slab.blank
    #expect(Set(records + [blank]).count == 4)
    for record in records { Self.use(record) }
    slab.giveBack(records[1])
    slab.giveBack(records[0])
    let taken = [slab.take(), slab.take()]
    #expect(taken == [records[0], records[1]])
    #expect(records[2].pointee.status == 502, "the others stay as they are")
  }

  @Test func givingBackTheBlankOneIsNothing() {
    var slab = FlightSlab(capacity: 1)
    slab.giveBack(slab.blank)
    let (record, blank) = (slab.take(), slab.blank)
    #expect(record != blank)
    #expect(Self.content(blank) == Self.content(Flight()))
  }

  @Test func whatIsWrittenToTheBlankOneReachesNoRequest() {
    var slab = FlightSlab(capacity: 1)
    Self.use(slab.blank)
    let record = slab.take()
    #expect(Self.content(record) == Self.content(Flight()))
  }
}
