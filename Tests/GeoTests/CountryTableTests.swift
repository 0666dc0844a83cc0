import Testing
import Topology

@testable import Geo

@Suite struct CountryTableTests {
  @Test func everyLineIsACountryAndNoneIsThereTwice() {
    let countries = CountryTable.countries
    #expect(countries.count >= 150)
    #expect(Set(countries.map(\.code)).count == countries.count)
    #expect(Set(countries.map(\.name)).count == countries.count)
  }

  @Test func theWorldHasSomeSevenAndAHalfThousandMillionPeople() {
    let people = CountryTable.countries.reduce(0) { $0 + $1.millions }
    #expect(people > 7500 && people < 7700)
  }

  @Test func centresShareTheirCountrysPeopleAndStandOnTheEarth() {
    for country in CountryTable.countries {
      #expect(continentCodes.contains(country.continent.description))
      #expect(abs(country.centres.reduce(0) { $0 + $1.millions } - country.millions) < 1e-9)
      for centre in country.centres {
        #expect(abs(centre.location.latitude) < 79 && abs(centre.location.longitude) <= 180)
        // A slip of a sign or a digit puts a city far away from its country's others.
        #expect(centre.location.kilometres(to: country.centres[0].location) < 9000, "\(country.name)")
      }
    }
  }

  @Test func whatIsNoCountryIsRefused() {
    for line in [
      "", "IE EU 5 53.35,-6.26,1", "IE EU x 53.35,-6.26,1|Ireland", "IE EU 5 53.35,1|Ireland", "IE EU 5|Ireland",
    ] {
      #expect(CountryTable.country(line) == nil)
    }
  }
}
