extension CountryTable {
  // A line a country: ISO 3166-1 code, GeoNames' continent, millions of people, then places (latitude, longitude) with
  // their weight within the country, then the name. Figures: United Nations, World Population Prospects 2022, for the
  // year 2022, rounded to three figures at most. Places: the largest cities, or the capital. The name follows "|".

  static let africa = """
    DZ AF 45 36.75,3.06,3 35.70,-0.63,1 36.36,6.61,1|Algeria
    AO AF 36 -8.84,13.23,1|Angola
    BJ AF 13 6.37,2.43,1|Benin
    BW AF 2.6 -24.65,25.91,1|Botswana
    BF AF 23 12.37,-1.52,1|Burkina Faso
    BI AF 13 -3.38,29.36,1|Burundi
    CM AF 28 4.05,9.70,1 3.87,11.52,1|Cameroon
    CV AF 0.6 14.93,-23.51,1|Cape Verde
    CF AF 5.6 4.39,18.56,1|Central African Republic
    TD AF 18 12.13,15.06,1|Chad
    KM AF 0.8 -11.70,43.26,1|Comoros
    CG AF 6 -4.27,15.28,1|Congo
    CD AF 99 -4.32,15.31,3 -11.66,27.48,2 -6.13,23.59,1|Congo, Democratic Republic
    CI AF 28 5.35,-4.02,1|Côte d'Ivoire
    DJ AF 1.1 11.59,43.15,1|Djibouti
    EG AF 111 30.04,31.24,3 31.20,29.92,1 26.56,31.69,1|Egypt
    GQ AF 1.7 3.75,8.78,1|Equatorial Guinea
    ER AF 3.7 15.34,38.93,1|Eritrea
    SZ AF 1.2 -26.32,31.14,1|Eswatini
    ET AF 123 9.03,38.74,3 11.60,37.39,1 7.06,38.48,1|Ethiopia
    GA AF 2.4 0.39,9.45,1|Gabon
    GM AF 2.7 13.45,-16.58,1|Gambia
    GH AF 33 5.60,-0.19,2 6.69,-1.62,1|Ghana
    GN AF 14 9.54,-13.68,1|Guinea
    GW AF 2.1 11.86,-15.60,1|Guinea-Bissau
    KE AF 54 -1.29,36.82,3 -4.04,39.67,1 -0.09,34.77,1|Kenya
    LS AF 2.3 -29.31,27.48,1|Lesotho
    LR AF 5.3 6.30,-10.80,1|Liberia
    LY AF 6.8 32.89,13.19,2 32.12,20.07,1|Libya
    MG AF 30 -18.88,47.51,1|Madagascar
    MW AF 20 -13.96,33.79,1 -15.79,35.01,1|Malawi
    ML AF 23 12.64,-8.00,1|Mali
    MR AF 4.7 18.08,-15.98,1|Mauritania
    MU AF 1.3 -20.16,57.50,1|Mauritius
    MA AF 37 33.57,-7.59,3 31.63,-8.00,1 34.03,-5.00,1|Morocco
    MZ AF 33 -25.97,32.57,1 -15.12,39.27,1|Mozambique
    NA AF 2.6 -22.56,17.08,1|Namibia
    NE AF 26 13.51,2.11,1|Niger
    NG AF 219 6.52,3.38,2 12.00,8.52,2 9.06,7.49,1 7.38,3.95,1|Nigeria
    RE AF 1 -20.88,55.45,1|Réunion
    RW AF 14 -1.94,30.06,1|Rwanda
    ST AF 0.2 0.34,6.73,1|São Tomé and Príncipe
    SN AF 17 14.72,-17.47,1|Senegal
    SC AF 0.1 -4.62,55.45,1|Seychelles
    SL AF 8.6 8.48,-13.23,1|Sierra Leone
    SO AF 18 2.05,45.32,1|Somalia
    ZA AF 60 -26.20,28.05,3 -33.92,18.42,1 -29.86,31.02,1|South Africa
    SS AF 11 4.85,31.58,1|South Sudan
    SD AF 47 15.50,32.56,1|Sudan
    TZ AF 65 -6.79,39.21,1 -2.52,32.90,1|Tanzania
    TG AF 8.8 6.13,1.22,1|Togo
    TN AF 12 36.81,10.18,1|Tunisia
    UG AF 47 0.35,32.58,1|Uganda
    ZM AF 20 -15.39,28.32,1|Zambia
    ZW AF 16 -17.83,31.05,1|Zimbabwe
    """

  static let asia = """
    AF AS 41 34.53,69.17,1|Afghanistan
    AM AS 2.8 40.18,44.51,1|Armenia
    AZ AS 10 40.41,49.87,1|Azerbaijan
    BH AS 1.5 26.23,50.59,1|Bahrain
    BD AS 171 23.81,90.41,3 22.36,91.78,1 24.37,88.60,1|Bangladesh
    BT AS 0.8 27.47,89.64,1|Bhutan
    BN AS 0.4 4.90,114.94,1|Brunei
    KH AS 17 11.56,104.92,1|Cambodia
    CN AS 1430 31.23,121.47,5 39.90,116.41,4 23.13,113.26,4 30.57,104.07,3 30.59,114.31,3 34.34,108.94,2 41.81,123.43,2 34.75,113.63,4|China
    CY AS 1.3 35.19,33.38,1|Cyprus
    GE AS 3.7 41.72,44.83,1|Georgia
    HK AS 7.5 22.32,114.17,1|Hong Kong
    IN AS 1420 28.61,77.21,5 19.08,72.88,4 22.57,88.36,4 12.97,77.59,3 13.08,80.27,2 17.39,78.49,2 26.85,80.95,5|India
    ID AS 276 -6.21,106.85,5 -7.26,112.75,3 3.60,98.67,2 -5.15,119.43,1|Indonesia
    IR AS 89 35.69,51.39,3 36.30,59.61,1 29.59,52.58,1|Iran
    IQ AS 44 33.32,44.36,2 30.51,47.78,1 36.34,43.13,1|Iraq
    IL AS 9 32.09,34.78,1|Israel
    JP AS 124 35.68,139.69,4 34.69,135.50,2 33.59,130.40,1 43.06,141.35,1|Japan
    JO AS 11 31.95,35.93,1|Jordan
    KZ AS 19 43.24,76.89,1 51.17,71.43,1|Kazakhstan
    KP AS 26 39.04,125.76,1|Korea, North
    KR AS 52 37.57,126.98,3 35.18,129.08,1|Korea, South
    KW AS 4.3 29.38,47.99,1|Kuwait
    KG AS 6.6 42.87,74.59,1|Kyrgyzstan
    LA AS 7.5 17.98,102.63,1|Laos
    LB AS 5.5 33.89,35.50,1|Lebanon
    MO AS 0.7 22.20,113.54,1|Macao
    MY AS 34 3.14,101.69,3 1.55,110.36,1|Malaysia
    MV AS 0.5 4.18,73.51,1|Maldives
    MN AS 3.4 47.89,106.91,1|Mongolia
    MM AS 54 16.87,96.20,2 21.96,96.09,1|Myanmar
    NP AS 31 27.72,85.32,1|Nepal
    OM AS 4.6 23.59,58.41,1|Oman
    PK AS 236 24.86,67.01,2 31.55,74.34,3 33.69,73.05,1|Pakistan
    PS AS 5.3 31.90,35.20,1 31.50,34.47,1|Palestine
    PH AS 116 14.60,120.98,3 10.32,123.89,1 7.07,125.61,1|Philippines
    QA AS 2.7 25.29,51.53,1|Qatar
    SA AS 36 24.71,46.68,2 21.49,39.19,2 26.43,50.10,1|Saudi Arabia
    SG AS 6 1.35,103.82,1|Singapore
    LK AS 22 6.93,79.86,1|Sri Lanka
    SY AS 22 33.51,36.29,1 36.20,37.13,1|Syria
    TW AS 24 25.03,121.57,2 22.63,120.30,1|Taiwan
    TJ AS 10 38.56,68.79,1|Tajikistan
    TH AS 72 13.76,100.50,2 16.43,102.83,1|Thailand
    TL AS 1.3 -8.56,125.57,1|Timor-Leste
    TR AS 85 41.01,28.98,2 39.93,32.86,1 38.42,27.14,1 37.00,35.32,1|Türkiye
    TM AS 6.4 37.96,58.33,1|Turkmenistan
    AE AS 9.4 25.20,55.27,1 24.45,54.38,1|United Arab Emirates
    UZ AS 35 41.30,69.24,1|Uzbekistan
    VN AS 98 10.82,106.63,1 21.03,105.85,1|Viet Nam
    YE AS 34 15.37,44.19,1|Yemen
    """

  static let europe = """
    AL EU 2.8 41.33,19.82,1|Albania
    AT EU 8.9 48.21,16.37,1|Austria
    BY EU 9.5 53.90,27.57,1|Belarus
    BE EU 12 50.85,4.35,1|Belgium
    BA EU 3.2 43.86,18.41,1|Bosnia and Herzegovina
    BG EU 6.8 42.70,23.32,1|Bulgaria
    HR EU 4 45.81,15.98,1|Croatia
    CZ EU 10 50.08,14.44,1|Czechia
    DK EU 5.9 55.68,12.57,1|Denmark
    EE EU 1.3 59.44,24.75,1|Estonia
    FI EU 5.5 60.17,24.94,1|Finland
    FR EU 65 48.86,2.35,3 45.76,4.84,1 43.30,5.37,1 43.60,1.44,1|France
    DE EU 83 50.94,6.96,2 52.52,13.41,1 53.55,9.99,1 48.14,11.58,1 50.11,8.68,1|Germany
    GR EU 10 37.98,23.73,1|Greece
    HU EU 10 47.50,19.04,1|Hungary
    IS EU 0.4 64.15,-21.94,1|Iceland
    IE EU 5 53.35,-6.26,1|Ireland
    IT EU 59 45.46,9.19,2 41.90,12.50,1 40.85,14.27,1|Italy
    LV EU 1.9 56.95,24.11,1|Latvia
    LT EU 2.8 54.69,25.28,1|Lithuania
    LU EU 0.6 49.61,6.13,1|Luxembourg
    MT EU 0.5 35.90,14.51,1|Malta
    MD EU 3.3 47.01,28.86,1|Moldova
    ME EU 0.6 42.44,19.26,1|Montenegro
    NL EU 18 52.37,4.90,1|Netherlands
    MK EU 2.1 42.00,21.43,1|North Macedonia
    NO EU 5.4 59.91,10.75,1|Norway
    PL EU 40 52.23,21.01,1 50.06,19.94,1 51.11,17.04,1|Poland
    PT EU 10 38.72,-9.14,1|Portugal
    RO EU 20 44.43,26.10,1|Romania
    RU EU 145 55.76,37.62,6 59.93,30.34,2 47.24,39.71,2 56.84,60.61,2 55.03,82.92,2 43.12,131.89,1|Russia
    RS EU 7.2 44.79,20.45,1|Serbia
    SK EU 5.6 48.15,17.11,1|Slovakia
    SI EU 2.1 46.06,14.51,1|Slovenia
    ES EU 48 40.42,-3.70,2 41.39,2.17,1 37.39,-5.98,1|Spain
    SE EU 11 59.33,18.07,1|Sweden
    CH EU 8.7 47.37,8.54,1|Switzerland
    UA EU 40 50.45,30.52,2 49.84,24.03,1|Ukraine
    GB EU 68 51.51,-0.13,3 53.48,-2.24,2 55.86,-4.25,1|United Kingdom
    """

  static let americas = """
    BS NA 0.4 25.04,-77.35,1|Bahamas
    BB NA 0.3 13.10,-59.61,1|Barbados
    BZ NA 0.4 17.50,-88.20,1|Belize
    CA NA 38 43.65,-79.38,4 45.50,-73.57,2 49.28,-123.12,1 51.05,-114.07,1|Canada
    CR NA 5.2 9.93,-84.09,1|Costa Rica
    CU NA 11 23.11,-82.37,1|Cuba
    DO NA 11 18.49,-69.93,1|Dominican Republic
    SV NA 6.3 13.69,-89.22,1|El Salvador
    GP NA 0.4 16.24,-61.53,1|Guadeloupe
    GT NA 18 14.63,-90.51,1|Guatemala
    HT NA 12 18.54,-72.34,1|Haiti
    HN NA 10 14.07,-87.19,1|Honduras
    JM NA 2.8 17.97,-76.79,1|Jamaica
    MQ NA 0.4 14.60,-61.07,1|Martinique
    MX NA 128 19.43,-99.13,4 20.66,-103.35,1 25.69,-100.32,1 32.51,-117.04,1|Mexico
    NI NA 6.9 12.11,-86.24,1|Nicaragua
    PA NA 4.4 8.98,-79.52,1|Panama
    PR NA 3.3 18.47,-66.11,1|Puerto Rico
    TT NA 1.5 10.66,-61.51,1|Trinidad and Tobago
    US NA 338 40.71,-74.01,6 34.05,-118.24,4 41.88,-87.63,4 32.78,-96.80,3 33.75,-84.39,3 25.76,-80.19,2 37.77,-122.42,2 47.61,-122.33,1|United States
    AR SA 46 -34.60,-58.38,3 -31.42,-64.18,1|Argentina
    BO SA 12 -16.50,-68.15,1 -17.78,-63.18,1|Bolivia
    BR SA 215 -23.55,-46.63,4 -22.91,-43.17,2 -8.05,-34.88,2 -12.97,-38.50,1 -19.92,-43.94,1 -30.03,-51.23,1 -3.73,-38.53,1 -1.46,-48.49,1|Brazil
    CL SA 20 -33.45,-70.67,1|Chile
    CO SA 52 4.71,-74.07,2 6.24,-75.58,1 10.97,-74.78,1|Colombia
    EC SA 18 -2.19,-79.89,1 -0.18,-78.47,1|Ecuador
    GF SA 0.3 4.92,-52.31,1|French Guiana
    GY SA 0.8 6.80,-58.16,1|Guyana
    PY SA 6.8 -25.26,-57.58,1|Paraguay
    PE SA 34 -12.05,-77.04,1|Peru
    SR SA 0.6 5.85,-55.20,1|Suriname
    UY SA 3.4 -34.90,-56.16,1|Uruguay
    VE SA 28 10.48,-66.90,2 10.64,-71.61,1|Venezuela
    """

  static let oceania = """
    AU OC 26 -33.87,151.21,2 -37.81,144.96,2 -27.47,153.03,1 -31.95,115.86,1|Australia
    FJ OC 0.9 -18.14,178.44,1|Fiji
    PF OC 0.3 -17.54,-149.57,1|French Polynesia
    GU OC 0.2 13.48,144.75,1|Guam
    NC OC 0.3 -22.27,166.46,1|New Caledonia
    NZ OC 5.2 -36.85,174.76,2 -43.53,172.64,1|New Zealand
    PG OC 10 -9.44,147.18,1|Papua New Guinea
    WS OC 0.2 -13.83,-171.77,1|Samoa
    SB OC 0.7 -9.43,159.95,1|Solomon Islands
    VU OC 0.3 -17.73,168.32,1|Vanuatu
    """
}
