import ArgumentParser
import GeoDatabase
import Topology

extension TopologyFiles {
  /// The database that a topology names; nil: it names none. Ends the command with 78 when it cannot be used.
  static func database(of topology: Topology) throws -> GeoDatabase? { try topology.databasePath.map(database) }

  /// A database; ends the command with 78 when it cannot be used.
  static func database(_ path: String) throws -> GeoDatabase {
    do throws(GeoDatabaseError) {
      return try GeoDatabase(path: path)
    } catch {
      StandardError.write("Error: \(error)\n")
      throw ExitCode.configuration
    }
  }
}
