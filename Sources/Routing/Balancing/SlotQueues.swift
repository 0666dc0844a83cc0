import Synchronization

/// Who waits for a slot of a full server: one queue a server for all workers of the process (rules D2 and G), those with a
/// session ahead of those without, in each kind the first come first.
///
/// A slot that becomes free is granted here to the first in the queue, whichever worker that is at: it is never free while
/// somebody waits, so no newcomer of any worker can take it. `LoadTable` counts those who wait beside the slots, and a
/// newcomer looks at that count; this table is touched only while somebody waits, and then behind one lock.
///
/// A handle as `LoadTable` is: the memory lives from `allocate` to `deallocate`.
struct SlotQueues: @unchecked Sendable {
  /// One request that waits, or whose slot is granted and not yet taken up.
  private struct Place {
    var server: Int32
    var worker: Int32
    /// The worker's own number for the request.
    var waiter: Int32
    var isBound: Bool
    var isGranted = false
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

  /// Two lists a server (those with a session, then those without), then one a worker for what it was granted.
  private struct Room {
    var places: [Place] = []
    var firstFree: Int32 = -1
    var lists: [List]
    let serverCount: Int

    func list(_ server: Int32, isBound: Bool) -> Int { isBound ? Int(server) : serverCount + Int(server) }
    func granted(_ worker: Int32) -> Int { serverCount * 2 + Int(worker) }

    mutating func add(_ place: Place, to list: Int) -> Int32 {
      var number = firstFree
      if number >= 0 {
        firstFree = places[Int(number)].next
        places[Int(number)] = place
      } else {
        number = Int32(places.count)
        places.append(place)
      }
      link(number, into: list)
      return number
    }

    mutating func remove(_ number: Int32) {
      unlink(number)
      places[Int(number)].next = firstFree
      firstFree = number
    }

    mutating func link(_ number: Int32, into list: Int) {
      let last = lists[list].tail
      places[Int(number)].list = Int32(list)
      places[Int(number)].previous = last
      places[Int(number)].next = -1
      if last >= 0 { places[Int(last)].next = number } else { lists[list].head = number }
      lists[list].tail = number
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

    func first(of server: Int32) -> Int32 {
      let bound = lists[list(server, isBound: true)].head
      return bound >= 0 ? bound : lists[list(server, isBound: false)].head
    }

    /// Gives the server's free slots to those who wait for one; the workers, by bit, that have to be told.
    mutating func dispatch(_ server: Int32, _ loads: LoadTable) -> UInt64 {
      var marks: UInt64 = 0
      while case let number = first(of: server), number >= 0, loads.reserve(server) {
        let place = places[Int(number)]
        unlink(number)
        places[Int(number)].isGranted = true
        link(number, into: granted(place.worker))
        loads.waits(server, isBound: place.isBound, -1)
        marks |= 1 << UInt64(place.worker)
      }
      return marks
    }
  }

  private let room: UnsafeMutablePointer<Mutex<Room>>

  /// Empty queues for so many servers.
  static func allocate(serverCount: Int) -> SlotQueues {
    let room = UnsafeMutablePointer<Mutex<Room>>.allocate(capacity: 1)
    let lists = [List](repeating: List(), count: serverCount * 2 + LoadTable.workersMax)
    room.initialize(to: Mutex(Room(lists: lists, serverCount: serverCount)))
    return SlotQueues(room: room)
  }

  /// Frees the queues; no copy of the handle may be used afterwards.
  func deallocate() {
    room.deinitialize(count: 1)
    room.deallocate()
  }

  /// Queues a request. Nil: as many wait already as may. Slots that were freed meanwhile are granted at once: `marks` are the
  /// workers, by bit, that have to be told.
  func join(
    _ server: Int32, isBound: Bool, worker: Int32, waiter: Int32, max: Int32, _ loads: LoadTable
  ) -> (place: Int32, marks: UInt64)? {
    // Under a flood most are refused: without the lock.
    if loads.waiting(server) >= max { return nil }
    return room.pointee.withLock { room in
      let lists = (room.list(server, isBound: true), room.list(server, isBound: false))
      guard room.lists[lists.0].count + room.lists[lists.1].count < max else { return nil }
      let place = Place(server: server, worker: worker, waiter: waiter, isBound: isBound)
      let number = room.add(place, to: isBound ? lists.0 : lists.1)
      // Counted first, then looked for a slot: whoever gives one back looks at the count afterwards, so one of both sees the other.
      loads.waits(server, isBound: isBound, 1)
      return (number, room.dispatch(server, loads))
    }
  }

  /// After a slot was given back while somebody waits: the workers, by bit, that have to be told.
  func dispatch(_ server: Int32, _ loads: LoadTable) -> UInt64 {
    room.pointee.withLock { $0.dispatch(server, loads) }
  }

  /// The worker's next request that was granted a slot, by the worker's number for it; nil: none. Each is told once.
  func nextGranted(worker: Int32) -> Int32? {
    room.pointee.withLock { room in
      let number = room.lists[room.granted(worker)].head
      guard number >= 0 else { return nil }
      room.unlink(number)
      return room.places[Int(number)].waiter
    }
  }

  /// Takes up the slot granted to this place, which is given up by that. False: it waits still.
  func take(_ place: Int32) -> Bool {
    room.pointee.withLock { room in
      guard room.places[Int(place)].isGranted else { return false }
      room.remove(place)
      return true
    }
  }

  /// Gives the place up. True: a slot was granted to it, which the caller now holds.
  func leave(_ place: Int32, _ loads: LoadTable) -> Bool {
    room.pointee.withLock { room in
      let left = room.places[Int(place)]
      room.remove(place)
      if !left.isGranted { loads.waits(left.server, isBound: left.isBound, -1) }
      return left.isGranted
    }
  }
}
