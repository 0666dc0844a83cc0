import Foundation
import Geo
import GeoDatabase
import Topology

// Looks the addresses of a file up, in one of three ways, and prints nanoseconds of processor time a look-up for each pass over the file.
//   GeoLookups find|place|list DATABASE ADDRESSES PASSES SITES NETWORKS
// The file has 16 bytes an address, IPv4-mapped. What is found is summed and printed, so that nothing can be left out.

let arguments = CommandLine.arguments
guard arguments.count == 7, let passes = Int(arguments[4]), let sites = Int(arguments[5]),
  let ranges = Int(arguments[6])
else {
  print("usage: GeoLookups find|place|list DATABASE ADDRESSES PASSES SITES NETWORKS")
  exit(64)
}
let database = try GeoDatabase(path: arguments[2])
let addresses = try Data(contentsOf: URL(fileURLWithPath: arguments[3])).withUnsafeBytes { bytes in
  (0..<bytes.count / 16).map { index in
    (
      high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16 * index, as: UInt64.self)),
      low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16 * index + 8, as: UInt64.self))
    )
  }
}

/// Sites around the world, and private networks that list some.
func preference() -> SitePreference {
  let all = (0..<sites).map { number -> Site in
    var site = Site(id: number, name: "S\(number)")
    site.place = Location(latitude: Double(number * 37 % 140) - 70, longitude: Double(number * 101 % 360) - 180)
    return site
  }
  var geo = GeoSettings()
  geo.networks = (0..<ranges).map { number in
    let low = 0xFFFF_0A00_0000 | UInt64(number) << 12
    return GeoNetwork(
      network: Located(Network(high: 0, low: low, prefixLength: 116)), sites: [Located("S\(number % sites)")])
  }
  return SitePreference(sites: all, geo: geo)
}

/// Processor time of this thread in nanoseconds: what others do on the machine counts less than with a clock.
func processorTime() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}

func measure(_ lookUp: () throws -> Double) rethrows {
  for _ in 0..<passes {
    let begin = processorTime()
    let sum = try lookUp()
    let nanoseconds = (processorTime() - begin) / Double(addresses.count)
    print(String(format: "%.1f %.3f", nanoseconds, sum))
  }
}

switch arguments[1] {
case "find":
  try measure {
    var sum = 0.0
    for address in addresses {
      if let entry = try database.find(high: address.high, low: address.low) { sum += Double(entry.record) }
    }
    return sum
  }
case "place":
  try measure {
    var sum = 0.0
    for address in addresses {
      guard let place = try database.place(high: address.high, low: address.low) else { continue }
      if let location = place.location { sum += location.latitude + location.longitude }
      sum += Double(place.accuracyKilometres ?? 0)
      for code in [place.continent, place.country, place.subdivision, place.secondSubdivision] {
        sum += Double((code?.packed ?? 0) >> 56)
      }
    }
    return sum
  }
default:
  let begin = processorTime()
  let source = ClientSitesSource(preference(), path: arguments[2])
  guard case .replaced = source.check() else { exit(78) }
  let seconds = (processorTime() - begin) / 1e9
  var reader = ClientSitesReader(source)
  print(
    String(
      format: "# read and compiled in %.2f s, %d records, %d lists", seconds, database.records.count,
      reader.current.compiled.lists.count))
  measure {
    var sum = 0.0
    for address in addresses {
      let list = reader.list(high: address.high, low: address.low)
      sum += Double(reader.current.compiled.lists.site(0, of: list))
    }
    return sum
  }
}
