package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/** What {@link Kpis} reads and keeps: events, customers, agents and panes, each with its serde. Times are microseconds. */
final class State {
    static final long SECOND = 1_000_000;
    static final long NEVER = Long.MIN_VALUE;

    private State() {}

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] utf8) {
        return new String(utf8, StandardCharsets.UTF_8);
    }

    /** Return a time such as 2026-03-02T00:00:24.544751Z, which all these events have; Instant.parse takes ten times as long. */
    static long microseconds(String time) {
        int end = time.length() - 1;
        if (end < 19 || time.charAt(end) != 'Z') throw new IllegalArgumentException(time);
        long days = LocalDate.of(number(time, 0, 4), number(time, 5, 7), number(time, 8, 10)).toEpochDay();
        long seconds = days * 86_400 + number(time, 11, 13) * 3_600 + number(time, 14, 16) * 60 + number(time, 17, 19);
        int fraction = 0;
        for (int at = 20; at < 26; at++) fraction = 10 * fraction + (at < end ? Character.digit(time.charAt(at), 10) : 0);
        return seconds * SECOND + fraction;
    }

    private static int number(String time, int begin, int end) {
        return Integer.parseInt(time, begin, end, 10);
    }

    // Slices

    /** What panes are cut by: a slice is the letter of its breakdown and the value, and a queue's own is empty. */
    enum Breakdown {
        PLATFORM('p'), PRIORITY('i'), CUSTOMER_TYPE('t'), LANGUAGE('l'), ENTRY_POINT('e'), AGENT('a'), LEVEL('v');

        /** How many of them are of a visit. */
        static final int TRAITS = 5;

        final char letter;

        Breakdown(char letter) {
            this.letter = letter;
        }

        byte[] slice(String value) {
            return utf8(letter + value);
        }
    }

    static final byte[] WHOLE = {};

    // Events

    /** What is taken from an event; null, or empty, for what it does not have. */
    static final class Event {
        private static final JsonFactory JSON = new JsonFactory();
        static final Deserializer<Event> DESERIALIZER = (topic, bytes) -> parse(bytes);

        String type, contact, state, reason, level;
        long time;
        byte[] queue, agent;
        boolean resolved = true;
        final byte[][] traits = new byte[Breakdown.TRAITS][];
        List<String> queues = List.of();

        private static Event parse(byte[] bytes) {
            Event event = new Event();
            try (JsonParser json = JSON.createParser(bytes)) {
                json.nextToken();
                for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
                    json.nextToken();
                    event.take(name, json);
                }
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            return event;
        }

        private void take(String name, JsonParser json) throws IOException {
            switch (name) {
                case "type" -> type = json.getText();
                case "time" -> time = microseconds(json.getText());
                case "contact_id" -> contact = json.getText();
                case "queue" -> queue = utf8(json.getText());
                case "agent_id" -> agent = Breakdown.AGENT.slice(json.getText());
                case "level" -> level = json.getText();
                case "platform" -> traits[0] = Breakdown.PLATFORM.slice(json.getText());
                case "priority" -> traits[1] = Breakdown.PRIORITY.slice(json.getText());
                case "customer_type" -> traits[2] = Breakdown.CUSTOMER_TYPE.slice(json.getText());
                case "language" -> traits[3] = Breakdown.LANGUAGE.slice(json.getText());
                case "entry_point" -> traits[4] = Breakdown.ENTRY_POINT.slice(json.getText());
                case "state" -> state = json.getText();
                case "reason" -> reason = json.getText();
                case "resolved" -> resolved = json.currentToken() != JsonToken.VALUE_FALSE;
                case "queues" -> {
                    queues = new ArrayList<>();
                    while (json.nextToken() != JsonToken.END_ARRAY) queues.add(json.getText());
                }
                default -> json.skipChildren();
            }
        }

    }

    // Customers and agents

    /** One stay in one queue, its own slice and those of the traits that are known. */
    record Visit(byte[] queue, byte[][] slices, long start) {
        void write(DataOutputStream out) throws IOException {
            writeBytes(out, queue);
            writeAll(out, slices);
            out.writeLong(start);
        }

        static Visit read(DataInputStream in) throws IOException {
            return new Visit(readBytes(in), readAll(in), in.readLong());
        }
    }

    /** One conversation: with whom (the agent's slice, then the level's where it is known), during which visit, from when to when. */
    static final class Leg {
        final int visit;
        final byte[][] who;
        final long start;
        long end = NEVER, hold, holdSince = NEVER, wrapUp;
        boolean held;

        Leg(int visit, byte[][] who, long start) {
            this.visit = visit;
            this.who = who;
            this.start = start;
        }

        String level() {
            return who.length > 1 ? text(who[1]).substring(1) : null;
        }

        void resume(long time) {
            if (holdSince != NEVER) hold += time - holdSince;
            holdSince = NEVER;
        }

        void write(DataOutputStream out) throws IOException {
            out.writeByte(visit);
            writeAll(out, who);
            out.writeLong(start);
            out.writeLong(end);
            out.writeLong(hold);
            out.writeLong(holdSince);
            out.writeLong(wrapUp);
            out.writeBoolean(held);
        }

        static Leg read(DataInputStream in) throws IOException {
            Leg leg = new Leg(in.readByte(), readAll(in), in.readLong());
            leg.end = in.readLong();
            leg.hold = in.readLong();
            leg.holdSince = in.readLong();
            leg.wrapUp = in.readLong();
            leg.held = in.readBoolean();
            return leg;
        }
    }

    /** One contact: its visits, of which the last may be waiting, and its conversations, of which the last may go on. */
    static final class Contact {
        final String id;
        final List<Visit> visits = new ArrayList<>(2);
        final List<Leg> legs = new ArrayList<>(2);
        boolean waiting, transferred, resolved;
        /** That a transfer named last; empty where none did. */
        String level = "";

        Contact(String id) {
            this.id = id;
        }

        long start() {
            return visits.get(0).start();
        }

        Visit lastVisit() {
            return visits.get(visits.size() - 1);
        }

        Leg lastLeg() {
            return legs.isEmpty() ? null : legs.get(legs.size() - 1);
        }

        Leg openLeg() {
            Leg last = lastLeg();
            return last != null && last.end == NEVER ? last : null;
        }

        void write(DataOutputStream out) throws IOException {
            out.writeUTF(id);
            out.writeByte(visits.size());
            for (Visit visit : visits) visit.write(out);
            out.writeByte(legs.size());
            for (Leg leg : legs) leg.write(out);
            out.writeByte((waiting ? 1 : 0) | (transferred ? 2 : 0) | (resolved ? 4 : 0));
            out.writeUTF(level);
        }

        static Contact read(DataInputStream in) throws IOException {
            Contact contact = new Contact(in.readUTF());
            for (int left = in.readByte(); left > 0; left--) contact.visits.add(Visit.read(in));
            for (int left = in.readByte(); left > 0; left--) contact.legs.add(Leg.read(in));
            int flags = in.readByte();
            contact.waiting = (flags & 1) != 0;
            contact.transferred = (flags & 2) != 0;
            contact.resolved = (flags & 4) != 0;
            contact.level = in.readUTF();
            return contact;
        }
    }

    /** A customer's contacts in the order in which they began. */
    record Customer(List<Contact> contacts) {
        static final Serde<Customer> SERDE = serde(Customer::write, Customer::read);

        Contact contact(String id) {
            for (int at = contacts.size() - 1; at >= 0; at--) if (contacts.get(at).id.equals(id)) return contacts.get(at);
            return null;
        }

        /** Return the contact that began next, or before for -1; null when there is none. */
        Contact beside(Contact contact, int step) {
            int at = contacts.indexOf(contact) + step;
            return at >= 0 && at < contacts.size() ? contacts.get(at) : null;
        }

        private void write(DataOutputStream out) throws IOException {
            out.writeShort(contacts.size());
            for (Contact contact : contacts) contact.write(out);
        }

        private static Customer read(DataInputStream in) throws IOException {
            List<Contact> contacts = new ArrayList<>();
            for (int left = in.readShort(); left > 0; left--) contacts.add(Contact.read(in));
            return new Customer(contacts);
        }
    }

    /** An agent's state since a time, and the queues that it is for, joined. */
    record Agent(String state, long since, byte[] queues) {
        static final Serde<Agent> SERDE = serde(Agent::write, Agent::read);

        private void write(DataOutputStream out) throws IOException {
            out.writeUTF(state);
            out.writeLong(since);
            writeBytes(out, queues);
        }

        private static Agent read(DataInputStream in) throws IOException {
            return new Agent(in.readUTF(), in.readLong(), readBytes(in));
        }
    }

    // Panes

    /** Counts of 32 bits, and from the 30th on sums of 64; named as in streams/engine/measures.py, which says what each is. */
    enum Measure {
        ENTERED, COHORT_ANSWERED, COHORT_ABANDONED, COHORT_FLOWED_OUT, SHORT_ABANDONED, ANSWERED_WITHIN, ABANDONED_WITHIN, CALLBACK_WITHIN,
        REACHED_THRESHOLD, RESOLVED, RESOLVED_IDENTIFIED, RESOLVED_FIRST_CONTACT, ANSWERED, ABANDONED, FLOWED_OUT, TRANSFERRED, HANDLED, HELD,
        OPENED, OPENED_UNHANDLED, OPENED_UNRESOLVED, RESOLUTIONS, RESOLVED_ALONE, RETURNED_WITHIN_1D, RETURNED_WITHIN_7D, RETURNED_WITHIN_14D,
        RETURNED_WITHIN_30D, TRANSFERS, ESCALATIONS,
        WAIT_ANSWERED_US, WAIT_ABANDONED_US, TALK_US, HOLD_US, WRAP_UP_US, AVAILABLE_US, ON_CONTACT_US, PAUSED_US;

        /** So many of them are counts. */
        private static final int COUNTS = 29;
        static final Measure[] ALL = values();
        static final int SIZE = 4 * COUNTS + 8 * (ALL.length - COUNTS);

        final boolean sum = ordinal() >= COUNTS;
        /** Where it is among the measures of a slice. */
        final int offset = sum ? 4 * COUNTS + 8 * (ordinal() - COUNTS) : 4 * ordinal();
    }

    /** Measures that are credited together, most of them once. */
    static final class Bundle {
        private final Measure[] measures = new Measure[8];
        private final long[] amounts = new long[8];
        private int size;

        Bundle() {}

        Bundle(Measure measure) {
            and(measure, 1);
        }

        Bundle(Measure measure, long amount) {
            and(measure, amount);
        }

        Bundle and(Measure measure) {
            return and(measure, 1);
        }

        Bundle and(Measure measure, long amount) {
            measures[size] = measure;
            amounts[size++] = amount;
            return this;
        }
    }

    /** The histograms, each 65,536 numbers of buckets; a queue has HANDLE as a whole and in no breakdown. */
    static final int WAIT_ANSWERED = 0, WAIT_ABANDONED = 1 << 16, HANDLE = 2 << 16;
    static final List<String> HISTOGRAMS = List.of("wait_answered", "wait_abandoned", "handle");

    /** Return the number of a duration's bucket, of which 128 are to an octave (streams/engine/histogram.py). */
    static int bucket(long duration) {
        if (duration <= 0) return 0;
        double seconds = duration / 1e6;
        int exponent = Math.getExponent(seconds) + 1;
        return (1 << 15) + exponent * 128 + (int) Math.ceil((Math.scalb(seconds, -exponent) - 0.5) * 256);
    }

    /** Return the last of the 16 buckets that one of 8 to an octave would be. */
    static int coarse(long duration) {
        return (bucket(duration) + 15) / 16 * 16;
    }

    /**
     * The panes of a queue, and of its slices, in a quarter of an hour: a flyweight over the bytes that are kept, so that nothing is decoded.
     *
     * <pre>of each slice: length of its name (2 bytes), name, measures, number of buckets (2), and of each its number and its count (4, 4)</pre>
     */
    static final class Panes {
        static final Serde<Panes> SERDE =
            Serdes.serdeFrom((topic, panes) -> panes == null ? null : panes.bytes.array(), (topic, bytes) -> bytes == null ? null : new Panes(bytes.clone()));

        private ByteBuffer bytes;

        Panes(byte[] bytes) {
            this.bytes = ByteBuffer.wrap(bytes);
        }

        /** Add a bundle to a slice. */
        void add(byte[] slice, Bundle bundle) {
            int at = measuresOf(slice);
            for (int each = 0; each < bundle.size; each++) {
                Measure measure = bundle.measures[each];
                int place = at + measure.offset;
                if (measure.sum) bytes.putLong(place, bytes.getLong(place) + bundle.amounts[each]);
                else bytes.putInt(place, bytes.getInt(place) + (int) bundle.amounts[each]);
            }
        }

        /** Count in a bucket of a slice; one that is empty again is used for the next. */
        void count(byte[] slice, int bucket, int by) {
            int buckets = measuresOf(slice) + Measure.SIZE;
            int end = buckets + 2 + 8 * bytes.getShort(buckets);
            int free = end;
            for (int at = buckets + 2; at < end; at += 8) {
                int count = bytes.getInt(at + 4);
                if (bytes.getInt(at) == bucket && count != 0) {
                    bytes.putInt(at + 4, count + by);
                    return;
                }
                if (count == 0) free = at;
            }
            if (free == end) {
                insert(end, 8);
                bytes.putShort(buckets, (short) (bytes.getShort(buckets) + 1));
            }
            bytes.putInt(free, bucket).putInt(free + 4, by);
        }

        /** Return where the measures of a slice are; a new one goes to the end. */
        private int measuresOf(byte[] slice) {
            byte[] array = bytes.array();
            int at = 0;
            while (at < array.length) {
                int measures = at + 2 + bytes.getShort(at);
                if (Arrays.equals(array, at + 2, measures, slice, 0, slice.length)) return measures;
                at = after(measures);
            }
            insert(at, 2 + slice.length + Measure.SIZE + 2);
            bytes.putShort(at, (short) slice.length).put(at + 2, slice);
            return at + 2 + slice.length;
        }

        /** Write each slice as a line of JSON. */
        void print(JsonGenerator out, long start, String kind, String queue) throws IOException {
            byte[] array = bytes.array();
            for (int at = 0, measures; at < array.length; at = after(measures)) {
                measures = at + 2 + bytes.getShort(at);
                out.writeStartObject();
                out.writeNumberField("start", start);
                out.writeStringField("kind", kind);
                out.writeStringField("queue", queue);
                out.writeStringField("slice", text(Arrays.copyOfRange(array, at + 2, measures)));
                out.writeObjectFieldStart("measures");
                for (Measure measure : Measure.ALL) {
                    long amount = measure.sum ? bytes.getLong(measures + measure.offset) : bytes.getInt(measures + measure.offset);
                    if (amount != 0) out.writeNumberField(measure.name().toLowerCase(Locale.ROOT), amount);
                }
                out.writeEndObject();
                out.writeObjectFieldStart("histograms");
                for (int bucket = measures + Measure.SIZE + 2; bucket < after(measures); bucket += 8) {
                    int code = bytes.getInt(bucket), count = bytes.getInt(bucket + 4);
                    if (count != 0) out.writeNumberField(HISTOGRAMS.get(code >> 16) + " " + ((code & 0xFFFF) - (1 << 15)), count);
                }
                out.writeEndObject();
                out.writeEndObject();
            }
        }

        private int after(int measures) {
            int buckets = measures + Measure.SIZE;
            return buckets + 2 + 8 * bytes.getShort(buckets);
        }

        private void insert(int at, int length) {
            byte[] before = bytes.array();
            byte[] array = Arrays.copyOf(before, before.length + length);
            System.arraycopy(before, at, array, at + length, before.length - at);
            Arrays.fill(array, at, at + length, (byte) 0);
            bytes = ByteBuffer.wrap(array);
        }
    }

    // Serdes

    private interface Writer<T> {
        void write(T value, DataOutputStream out) throws IOException;
    }

    private interface Reader<T> {
        T read(DataInputStream in) throws IOException;
    }

    private static <T> Serde<T> serde(Writer<T> writer, Reader<T> reader) {
        Serializer<T> serializer = (topic, value) -> {
            if (value == null) return null;
            ByteArrayOutputStream bytes = new ByteArrayOutputStream(512);
            try {
                writer.write(value, new DataOutputStream(bytes));
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            return bytes.toByteArray();
        };
        Deserializer<T> deserializer = (topic, bytes) -> {
            try {
                return bytes == null ? null : reader.read(new DataInputStream(new ByteArrayInputStream(bytes)));
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        };
        return Serdes.serdeFrom(serializer, deserializer);
    }

    private static void writeBytes(DataOutputStream out, byte[] bytes) throws IOException {
        out.writeShort(bytes.length);
        out.write(bytes);
    }

    private static byte[] readBytes(DataInputStream in) throws IOException {
        byte[] bytes = new byte[in.readShort()];
        in.readFully(bytes);
        return bytes;
    }

    private static void writeAll(DataOutputStream out, byte[][] all) throws IOException {
        out.writeByte(all.length);
        for (byte[] bytes : all) writeBytes(out, bytes);
    }

    private static byte[][] readAll(DataInputStream in) throws IOException {
        byte[][] all = new byte[in.readByte()][];
        for (int at = 0; at < all.length; at++) all[at] = readBytes(in);
        return all;
    }
}
