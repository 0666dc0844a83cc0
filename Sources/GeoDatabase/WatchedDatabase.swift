internal import Synchronization

/// A database file that may be replaced while it is in use. Ask `check()` now and then, and `reload()` when told to (SIGHUP).
///
/// A file of a new identity (renamed into place) is read at once. One that was written to in place is read when two checks in a
/// row find it the same, so that nobody reads half of it. What cannot be used changes nothing: the database at hand stays.
public final class WatchedDatabase: Sendable {
  /// What a check found.
  public enum Outcome: Sendable {
    /// Nothing new, or nothing but what was refused before.
    case unchanged
    /// The file is being written to; the next check may read it.
    case settling
    /// There is a new database.
    case replaced(GeoDatabase)
    /// The file cannot be used. Said once of each state of the file.
    case refused(GeoDatabaseError)
  }

  private struct State {
    var current: GeoDatabase?
    /// The state of the file that was read last, or refused. Nil: there was none.
    var handled: FileStamp?
    /// That there is no file was said already.
    var isMissing = false
    /// What the last check saw of a file written to in place.
    var seen: FileStamp?
  }

  /// The file.
  public let path: String
  private let state = Mutex(State())

  /// Watches a path; nothing is read yet.
  public init(path: String) { self.path = path }

  /// The database in use. Nil: none could be read so far.
  public var current: GeoDatabase? { state.withLock { $0.current } }

  /// Looks whether the file changed, and reads it if it did. Takes as long as reading it does: not for a thread that serves.
  public func check() -> Outcome { state.withLock { look(&$0) } }

  /// Reads the file, changed or not.
  public func reload() -> Outcome { state.withLock { load(&$0) } }

  private func look(_ state: inout State) -> Outcome {
    let stamp: FileStamp
    do throws(GeoDatabaseError) {
      stamp = try FileStamp(path: path)
    } catch {
      if state.isMissing { return .unchanged }
      state.isMissing = true
      // The next file is another one, even if it is given the same number.
      state.handled = nil
      return .refused(error)
    }
    state.isMissing = false
    guard let handled = state.handled else { return load(&state) }
    if stamp == handled {
      state.seen = nil
      return .unchanged
    }
    if handled.isSameFile(as: stamp), state.seen != stamp {
      state.seen = stamp
      return .settling
    }
    return load(&state)
  }

  private func load(_ state: inout State) -> Outcome {
    state.seen = nil
    // Taken first: a change while the file is read is then seen by the next check.
    let stamp = try? FileStamp(path: path)
    do throws(GeoDatabaseError) {
      let database = try GeoDatabase(path: path)
      state.current = database
      state.handled = database.stamp
      return .replaced(database)
    } catch .changing {
      return .settling
    } catch {
      state.handled = stamp
      return .refused(error)
    }
  }
}
