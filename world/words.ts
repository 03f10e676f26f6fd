/**
 * The words of the closed world. Nouns that stand after "a" begin with a consonant, so that no article has to be chosen.
 * Knows nothing of sentences.
 */
const list = (text: string) => text.trim().split(/\s+/);

export const towns = list(`Harrow Milford Sandby Oakham Rivertown Stonebridge Fernhill Westport Greenfield Lowmoor
  Kingsmere Ashford Brackley Dunmore Eastwick Foxdale Marlow Northgate Pinewood Redcliff`);
export const newTown = 'Silverton';

export const firstNames = list(`Mara Tobin Elsa Rufus Nina Oskar Lena Hugo Ida Jonas Petra Felix Greta Anton Vera Simon
  Clara Bruno Rosa Edgar Hanna Martin Olga Peter Judith Karl Flora Albert Sonja Victor Alma Conrad`);
export const lastNames =
  list(`Velt Marsh Holm Brandt Keller Fisk Tanner Lund Weston Moss Harding Stone Berger Dahl Frost
  Linden Porter Reed Sommer Thorne Vogel Winter Abel Becker Carver Dorn Ellis Field Gray Hale Jensen Kramer Lane Miller
  Norden Olsen Pohl Quinn Rask Sander`);

export const trades = list(`baker smith weaver fisher tailor potter teacher carpenter farmer doctor painter gardener
  cook sailor hunter printer`);
export const animals = list('dog cat horse goat hen duck rabbit cow pig sheep fox donkey');
export const herds = list('dogs cats horses goats hens ducks rabbits cows pigs');
export const colours = list('red blue green white black brown yellow grey pink golden');
export const months = list('January February March April May June July August September October November December');
export const foods = list('bread soup cheese fish honey rice nuts cake apples eggs plums beans');
export const days = list('Monday Tuesday Wednesday Thursday Friday Saturday Sunday');
export const rivers = list('Wend Tarn Lisk Orra Bree Sella');

/** What the shops of the world sell. */
export const goods = list('lamp chair table kettle clock carpet mirror bicycle radio basket');

/** What may be wrong with goods, and how a shop makes it good. */
export const troubles = [
  { trouble: 'is broken', remedy: 'send a new one', days: 2 },
  { trouble: 'arrived late', remedy: 'give back the fee', days: 3 },
  { trouble: 'makes a loud noise', remedy: 'post a felt pad', days: 4 },
  { trouble: 'is the wrong colour', remedy: 'swap it', days: 5 },
  { trouble: 'does not fit', remedy: 'take it back', days: 6 },
  { trouble: 'lost a screw', remedy: 'mail the part', days: 7 },
  { trouble: 'smells odd', remedy: 'offer a refund', days: 8 },
  { trouble: 'stopped working', remedy: 'book a repair', days: 9 },
] as const;

/** Who may do something in a sentence about agreement: singular and plural. */
export const actors = [
  ...['dog', 'cat', 'horse', 'farmer', 'baker', 'girl', 'boy', 'teacher', 'bird', 'sailor'].map(one => ({
    one,
    many: `${one}s`,
  })),
  { one: 'child', many: 'children' },
  { one: 'woman', many: 'women' },
];
export const verbs = list('run sing sleep walk eat wait play work rest laugh').map(many => ({ one: `${many}s`, many }));
export const links = list('near behind beside with above');
export const places = [
  'near the river',
  'in the garden',
  'behind the mill',
  'on the hill',
  'by the old bridge',
  'under the tree',
  'at the market',
  'beside the road',
];
export const times = ['every day', 'in the morning', 'at night', 'when it rains', 'after work', 'before dinner'];
export const looks = list('brave young small happy tired quiet');
