internal import HTTPMessage
internal import Routing

/// A request on a client's connection, from its first byte to the end of its answer: a record of the worker's second slab. Plain data,
/// no references. There are as many as requests at once, not as connections, and the one used last is used next.
struct Flight {
  /// The request as it goes to the server: the rewritten head, then body bytes. `start` is what was sent.
  var request = Buffer.none
  /// Bytes of the head in `request`.
  var requestHead = 0
  var requestBody = BodyProgress()
  /// Bytes of the response's start, or of an answer of our own, that a send did not take at once.
  var stash = Buffer.none
  /// Body bytes in the server connection's buffer, or in the worker's relay memory, that are still to be sent.
  var outputBody: UnsafeRawPointer?
  var outputBodyCount = 0
  var responseBody = BodyProgress()
  /// Nanoseconds for which the client may still be waited for, and since when it is; 0: it is not.
  var patience: Int64 = 0
  var waitedSince: Int64 = 0
  /// Bytes of the answer that the client had not acknowledged when the wait began.
  var untaken: Int32 = 0
  var exchange = Exchange()

  /// Neighbours in the list of a queue; -1: none.
  var nextWaiting: Int32 = -1
  var previousWaiting: Int32 = -1
  var waitingList: Int32 = -1

  /// Bytes of the response received at a time: more while the client takes all, less when it does not.
  var pieceBytes = Buffer.Size.small.capacity
  /// The tier of the site that the user was sent on to; -1: served.
  var redirectedTier: Int32 = -1

  // For the access log.
  var startRealtime: Int64 = 0
  var headComplete: Int64 = 0
  var chosen: Int64 = 0
  var connectedAt: Int64 = 0
  var responseAt: Int64 = 0
  var status: Int32 = 0
  var bytesOut: UInt64 = 0
  var termination: UInt16 = 0x2D2D
  var namedGroup: Int32 = -1
  var interims: UInt8 = 0
  /// Request bytes the server had not acknowledged when its time was up last.
  var unacknowledged: Int32 = 0
  /// Next free record of the slab.
  var nextFree: Int32 = -1
  /// Session ids longer than this are not written into a new prefix.
  static let sessionMax = BufferPool.reserve
  /// Bytes of the session id kept in the reserve of `request`; 0: none.
  var sessionLength: UInt16 = 0
  var cookiePresent = false
  var cookieLast: UInt32 = 0
  var cookieFirst: UInt32 = 0
  var dechunker = Dechunker()
  /// Length of the request line in `request`, without its end.
  var requestLine: Int32 = 0
}

/// What is told of a connection's request as if it stood in the connection itself.
extension Client {
  @inline(__always) var request: Buffer {
    get { flight.pointee.request }
    nonmutating _modify { yield &flight.pointee.request }
  }
  @inline(__always) var requestHead: Int {
    get { flight.pointee.requestHead }
    nonmutating _modify { yield &flight.pointee.requestHead }
  }
  @inline(__always) var requestBody: BodyProgress {
    get { flight.pointee.requestBody }
    nonmutating _modify { yield &flight.pointee.requestBody }
  }
  @inline(__always) var stash: Buffer {
    get { flight.pointee.stash }
    nonmutating _modify { yield &flight.pointee.stash }
  }
  @inline(__always) var outputBody: UnsafeRawPointer? {
    get { flight.pointee.outputBody }
    nonmutating _modify { yield &flight.pointee.outputBody }
  }
  @inline(__always) var outputBodyCount: Int {
    get { flight.pointee.outputBodyCount }
    nonmutating _modify { yield &flight.pointee.outputBodyCount }
  }
  @inline(__always) var responseBody: BodyProgress {
    get { flight.pointee.responseBody }
    nonmutating _modify { yield &flight.pointee.responseBody }
  }
  @inline(__always) var patience: Int64 {
    get { flight.pointee.patience }
    nonmutating _modify { yield &flight.pointee.patience }
  }
  @inline(__always) var waitedSince: Int64 {
    get { flight.pointee.waitedSince }
    nonmutating _modify { yield &flight.pointee.waitedSince }
  }
  @inline(__always) var untaken: Int32 {
    get { flight.pointee.untaken }
    nonmutating _modify { yield &flight.pointee.untaken }
  }
  @inline(__always) var exchange: Exchange {
    get { flight.pointee.exchange }
    nonmutating _modify { yield &flight.pointee.exchange }
  }
  @inline(__always) var nextWaiting: Int32 {
    get { flight.pointee.nextWaiting }
    nonmutating _modify { yield &flight.pointee.nextWaiting }
  }
  @inline(__always) var previousWaiting: Int32 {
    get { flight.pointee.previousWaiting }
    nonmutating _modify { yield &flight.pointee.previousWaiting }
  }
  @inline(__always) var waitingList: Int32 {
    get { flight.pointee.waitingList }
    nonmutating _modify { yield &flight.pointee.waitingList }
  }
  @inline(__always) var pieceBytes: Int {
    get { flight.pointee.pieceBytes }
    nonmutating _modify { yield &flight.pointee.pieceBytes }
  }
  @inline(__always) var redirectedTier: Int32 {
    get { flight.pointee.redirectedTier }
    nonmutating _modify { yield &flight.pointee.redirectedTier }
  }
  @inline(__always) var startRealtime: Int64 {
    get { flight.pointee.startRealtime }
    nonmutating _modify { yield &flight.pointee.startRealtime }
  }
  @inline(__always) var headComplete: Int64 {
    get { flight.pointee.headComplete }
    nonmutating _modify { yield &flight.pointee.headComplete }
  }
  @inline(__always) var chosen: Int64 {
    get { flight.pointee.chosen }
    nonmutating _modify { yield &flight.pointee.chosen }
  }
  @inline(__always) var connectedAt: Int64 {
    get { flight.pointee.connectedAt }
    nonmutating _modify { yield &flight.pointee.connectedAt }
  }
  @inline(__always) var responseAt: Int64 {
    get { flight.pointee.responseAt }
    nonmutating _modify { yield &flight.pointee.responseAt }
  }
  @inline(__always) var status: Int32 {
    get { flight.pointee.status }
    nonmutating _modify { yield &flight.pointee.status }
  }
  @inline(__always) var bytesOut: UInt64 {
    get { flight.pointee.bytesOut }
    nonmutating _modify { yield &flight.pointee.bytesOut }
  }
  @inline(__always) var termination: UInt16 {
    get { flight.pointee.termination }
    nonmutating _modify { yield &flight.pointee.termination }
  }
  @inline(__always) var namedGroup: Int32 {
    get { flight.pointee.namedGroup }
    nonmutating _modify { yield &flight.pointee.namedGroup }
  }
  @inline(__always) var interims: UInt8 {
    get { flight.pointee.interims }
    nonmutating _modify { yield &flight.pointee.interims }
  }
  @inline(__always) var unacknowledged: Int32 {
    get { flight.pointee.unacknowledged }
    nonmutating _modify { yield &flight.pointee.unacknowledged }
  }
  @inline(__always) var sessionLength: UInt16 {
    get { flight.pointee.sessionLength }
    nonmutating _modify { yield &flight.pointee.sessionLength }
  }
  @inline(__always) var cookiePresent: Bool {
    get { flight.pointee.cookiePresent }
    nonmutating _modify { yield &flight.pointee.cookiePresent }
  }
  @inline(__always) var cookieLast: UInt32 {
    get { flight.pointee.cookieLast }
    nonmutating _modify { yield &flight.pointee.cookieLast }
  }
  @inline(__always) var cookieFirst: UInt32 {
    get { flight.pointee.cookieFirst }
    nonmutating _modify { yield &flight.pointee.cookieFirst }
  }
  @inline(__always) var dechunker: Dechunker {
    get { flight.pointee.dechunker }
    nonmutating _modify { yield &flight.pointee.dechunker }
  }
  @inline(__always) var requestLine: Int32 {
    get { flight.pointee.requestLine }
    nonmutating _modify { yield &flight.pointee.requestLine }
  }
}

/// The records of requests under way, as many as there are connections at most.
struct FlightSlab: ~Copyable {
  private let records: UnsafeMutablePointer<Flight>
  /// What connections without a request show: never anything but blank.
  let blank: UnsafeMutablePointer<Flight>
  /// What a record is at first: copied, which costs less than to make it field by field.
  private let pristine: UnsafeMutablePointer<Flight>
  private var freeHead: Int32 = -1
  /// Records that were ever used: memory beyond them is not touched.
  private var used = 0
  /// Records handed out now.
  private(set) var inUse = 0

  init(capacity: Int) {
    records = .allocate(capacity: capacity + 2)
    blank = records + capacity
    blank.initialize(to: Flight())
    pristine = blank + 1
    pristine.initialize(to: Flight())
  }

  deinit { records.deallocate() }

  /// A record as of a request of which nothing is known yet.
  @inline(__always)
  mutating func take() -> UnsafeMutablePointer<Flight> {
    let record: UnsafeMutablePointer<Flight>
    if freeHead >= 0 {
      record = records + Int(freeHead)
      freeHead = record.pointee.nextFree
    } else {
      record = records + used
      precondition(record < blank, "more requests than connections")
      used += 1
    }
    inUse &+= 1
    record.initialize(from: pristine, count: 1)
    return record
  }

  /// Takes a record back; nothing for the blank one.
  @inline(__always)
  mutating func giveBack(_ record: UnsafeMutablePointer<Flight>) {
    guard record != blank else { return }
    inUse &-= 1
    record.pointee.nextFree = freeHead
    freeHead = Int32(record - records)
  }
}
