import Synchronization

/// Who waits for a slot of a full server (rules D2 and G): queues for all workers of the process, those with a session ahead of those
/// without, in each kind the first come first. While both kinds wait, one slot in `turnOfFree` goes to who has no session all
/// the same: however many sessions there are, new users are served one after another.
///
/// Who may be served by any of several servers waits for all of them at once, in a line of the tier, of the cookie value or of the
/// whole pool: the first slot that one of them gives is the first one's in line. Only who belongs to one server waits for that one.
///
/// Who waits for a server that goes, and is sent to another one, waits there as one who came when it first began to wait: ahead of all
/// who came later, also of those who have waited there all the time.
///
/// A slot that becomes free is granted here to the first, whichever worker that is at: it is never free while somebody waits
/// for it, so no newcomer of any worker can take it. `LoadTable` counts those who wait beside the slots, and a newcomer looks at
/// that count; this table is touched only while somebody waits, and then behind one lock.
///
/// A handle as `LoadTable` is: the memory lives from `allocate` to `deallocate`.
struct SlotQueues: @unchecked Sendable {
  /// Of so many slots that a server gives while both kinds wait, the last goes to a request without a session. Seven in eight keep
  /// a session's wait within a seventh of what it would be alone.
  static let turnOfFree = 8

  /// Whose slots a request waits for.
  enum Line: Equatable, Sendable {
    /// This server's only; `isBound`: because it has a session.
    case server(Int32, isBound: Bool)
    /// Those of all servers of the tier that admit new users; `isBound`: for who has a session elsewhere, that cannot be reached.
    case tier(Int32, isBound: Bool)
    /// Those of all servers that bear the cookie value of the request.
    case group(Int32)
    /// Those of all servers that admit new users, whatever their tier (`spill`).
    case pool(isBound: Bool)
  }

  /// Who may be given a slot of a server: those who wait for it alone, and those of further lines; -1: of none.
  struct Offer {
    var server: Int32
    /// Its tier, while it admits new users.
    var tier: Int32 = -1
    /// The cookie value that it bears, while it serves its users.
    var group: Int32 = -1
    /// It admits new users of all tiers.
    var isForAll = false
  }

  /// One request that waits, or whose slot is granted and not yet taken up.
  private struct Place {
    var line: Line
    var worker: Int32
    /// The worker's own number for the request.
    var waiter: Int32
    /// Larger than that of whoever came before.
    var arrival: UInt64
    /// The server whose slot it was granted; -1: it waits.
    var granted: Int32 = -1
    /// The list it stands in; -1: none, the worker was told of its slot.
    var list: Int32 = -1
    var next: Int32 = -1
    var previous: Int32 = -1
  }

  private struct List {
    var head: Int32 = -1
    var tail: Int32 = -1
    var count: Int32 = 0
  }

  /// Five lists a server (who waits for it, for its tier, for its cookie value, with a session and without: there are no more tiers and
  /// values than servers), two for the pool, then one a worker for what it was granted.
  private struct Room {
    var places: [Place] = []
    var firstFree: Int32 = -1
    var lists: [List]
    var arrivals: UInt64 = 0
    /// By server: slots given to sessions since a request without one has waited to be next.
    var passedBy: [UInt8]
    let serverCount: Int

    func list(of line: Line) -> Int {
      switch line {
      case .server(let server, isBound: true): Int(server)
      case .server(let server, isBound: false): serverCount + Int(server)
      case .tier(let tier, isBound: true): serverCount * 2 + Int(tier)
      case .tier(let tier, isBound: false): serverCount * 3 + Int(tier)
      case .group(let group): serverCount * 4 + Int(group)
      case .pool(isBound: true): serverCount * 5
      case .pool(isBound: false): serverCount * 5 + 1
      }
    }
    func grants(to worker: Int32) -> Int { serverCount * 5 + 2 + Int(worker) }

    mutating func add(_ place: Place) -> Int32 {
      var number = firstFree
      if number >= 0 {
        firstFree = places[Int(number)].next
        places[Int(number)] = place
      } else {
        number = Int32(places.count)
        places.append(place)
      }
      let list = list(of: place.line)
      // Who comes from another line stands before those who began to wait later: as a rule there are none.
      var after = lists[list].tail
      while after >= 0 && places[Int(after)].arrival > place.arrival { after = places[Int(after)].previous }
      link(number, into: list, after: after)
      return number
    }

    mutating func remove(_ number: Int32) {
      unlink(number)
      places[Int(number)].next = firstFree
      firstFree = number
    }

    /// - Parameter other: whom it stands behind; -1: it is the first.
    mutating func link(_ number: Int32, into list: Int, after other: Int32) {
      let next = other >= 0 ? places[Int(other)].next : lists[list].head
      places[Int(number)].list = Int32(list)
      places[Int(number)].previous = other
      places[Int(number)].next = next
      if other >= 0 { places[Int(other)].next = number } else { lists[list].head = number }
      if next >= 0 { places[Int(next)].previous = number } else { lists[list].tail = number }
      lists[list].count += 1
    }

    mutating func unlink(_ number: Int32) {
      let place = places[Int(number)]
      guard place.list >= 0 else { return }
      let list = Int(place.list)
      if place.previous >= 0 { places[Int(place.previous)].next = place.next } else { lists[list].head = place.next }
      if place.next >= 0 {
        places[Int(place.next)].previous = place.previous
      } else {
        lists[list].tail = place.previous
      }
      lists[list].count -= 1
      places[Int(number)].list = -1
    }

    /// The first in a line; -1: nobody.
    private func head(_ line: Line) -> Int32 { lists[list(of: line)].head }

    /// Who came first of the first in two lines.
    private func earlier(_ one: Int32, _ other: Int32) -> Int32 {
      if one < 0 || other < 0 { return max(one, other) }
      return places[Int(one)].arrival < places[Int(other)].arrival ? one : other
    }

    /// Who is next of those with a session, or of those without. `isOpen`: also of those who are new to the server.
    private func first(_ offer: Offer, isBound: Bool, isOpen: Bool) -> Int32 {
      var first = isBound || isOpen ? head(.server(offer.server, isBound: isBound)) : -1
      if isOpen && offer.tier >= 0 { first = earlier(first, head(.tier(offer.tier, isBound: isBound))) }
      if offer.group >= 0 && isBound { first = earlier(first, head(.group(offer.group))) }
      if isOpen && offer.isForAll { first = earlier(first, head(.pool(isBound: isBound))) }
      return first
    }

    /// Gives the server's free slots to those who wait for one; the workers, by bit, that have to be told.
    mutating func dispatch(_ offer: Offer, _ loads: LoadTable) -> UInt64 {
      var marks: UInt64 = 0
      let server = Int(offer.server)
      while true {
        let isOpen = loads.isOpen(offer.server)
        let bound = first(offer, isBound: true, isOpen: isOpen)
        let free = first(offer, isBound: false, isOpen: isOpen)
        let isTurnOfFree = free >= 0 && passedBy[server] >= SlotQueues.turnOfFree - 1
        let number = bound < 0 || isTurnOfFree ? free : bound
        guard number >= 0, loads.reserve(offer.server) else { return marks }
        passedBy[server] = number == free ? 0 : free >= 0 ? passedBy[server] + 1 : passedBy[server]
        let place = places[Int(number)]
        unlink(number)
        places[Int(number)].granted = offer.server
        let granted = grants(to: place.worker)
        link(number, into: granted, after: lists[granted].tail)
        loads.count(place.line, -1)
        marks |= 1 << UInt64(place.worker)
      }
    }
  }

  private let room: UnsafeMutablePointer<Mutex<Room>>

  /// Empty queues for so many servers.
  static func allocate(serverCount: Int) -> SlotQueues {
    let room = UnsafeMutablePointer<Mutex<Room>>.allocate(capacity: 1)
    let lists = [List](repeating: List(), count: serverCount * 5 + 2 + LoadTable.workersMax)
    let passedBy = [UInt8](repeating: 0, count: serverCount)
    room.initialize(to: Mutex(Room(lists: lists, passedBy: passedBy, serverCount: serverCount)))
    return SlotQueues(room: room)
  }

  /// Frees the queues; no copy of the handle may be used afterwards.
  func deallocate() {
    room.deinitialize(count: 1)
    room.deallocate()
  }

  /// Queues a request; nil: as many wait in the line already as may. Slots that were given back before it was counted are not
  /// looked for: the caller dispatches each server of the line that may have one.
  /// - Parameter arrival: as which it waits on, when it has waited before (`arrival(of:)`); 0: it begins to wait.
  func join(_ line: Line, worker: Int32, waiter: Int32, max: Int32, arrival: UInt64 = 0, _ loads: LoadTable) -> Int32? {
    room.pointee.withLock { room in
      guard room.lists[room.list(of: line)].count < max else { return nil }
      if arrival == 0 { room.arrivals += 1 }
      let place = Place(
        line: line, worker: worker, waiter: waiter, arrival: arrival == 0 ? room.arrivals : arrival)
      let number = room.add(place)
      // Counted first, then looked for a slot: whoever gives one back looks at the count afterwards, so one of both sees the other.
      loads.count(line, 1)
      return number
    }
  }

  /// When a place's request began to wait, as a number in the order of all who did.
  func arrival(of place: Int32) -> UInt64 { room.pointee.withLock { $0.places[Int(place)].arrival } }

  /// After a slot was given back while somebody waits: the workers, by bit, that have to be told.
  func dispatch(_ offer: Offer, _ loads: LoadTable) -> UInt64 {
    room.pointee.withLock { $0.dispatch(offer, loads) }
  }

  /// The worker's next request that was granted a slot, by the worker's number for it; nil: none. Each is told once.
  func nextGranted(worker: Int32) -> Int32? {
    room.pointee.withLock { room in
      let number = room.lists[room.grants(to: worker)].head
      guard number >= 0 else { return nil }
      room.unlink(number)
      return room.places[Int(number)].waiter
    }
  }

  /// Takes up the slot granted to this place, which is given up by that: the server it is of. -1: it waits still.
  func take(_ place: Int32) -> Int32 {
    room.pointee.withLock { room in
      let granted = room.places[Int(place)].granted
      if granted >= 0 { room.remove(place) }
      return granted
    }
  }

  /// Gives the place up: the server whose slot was granted to it, which the caller now holds. -1: none was.
  func leave(_ place: Int32, _ loads: LoadTable) -> Int32 {
    room.pointee.withLock { room in
      let left = room.places[Int(place)]
      room.remove(place)
      if left.granted < 0 { loads.count(left.line, -1) }
      return left.granted
    }
  }
}
