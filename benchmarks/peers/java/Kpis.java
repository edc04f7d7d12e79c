package peers;

import static peers.State.*;
import static peers.State.Measure.*;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.io.SerializedString;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.BytesDeserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams with the worker's own job on calls and agents' states: every measure of every slice, by quarters of an hour,
 * exactly_once_v2, one thread. BOOTSTRAP TOPIC GROUP FOLDER COMMIT_MS; a SIGTERM prints all panes as lines of JSON.
 *
 * <p>The topic is keyed by customer, and agents' states by agent, so there is no topic in between: each task keeps partial panes, which a
 * reader adds up. What changes together is one record: the panes of a queue with those of its traits, agents and levels; the time of agents who
 * are for the same queues. Such a record is a flyweight over its bytes ({@link State.Panes}); with a record for each slice an event took
 * half as much of the processor again, and more. All stores are cached, so a changelog gets a key once a commit, and in memory, as the worker's are: after a crash
 * exactly_once_v2 reads the changelogs either way, and RocksDB took no less.
 *
 * <p>Left out, all of which makes it faster than the worker: duplicates are not found; events are taken in the order in which they come, and
 * what contradicts those before is ignored; what cannot be read ends it; who still waits is not told, nor counted as beyond the threshold;
 * what agents do now and how many events of each type there were are not told; one policy for all queues; what contacts are about (these
 * events do not say); other channels. Days and expiry are left out too, which the worker comes to after 48 hours: longer than 1,000,000 events span.
 */
public final class Kpis implements Processor<Bytes, Event, Void, Void> {
    private static final long QUARTER = 900 * SECOND, DAY = 96 * QUARTER;
    private static final long THRESHOLD = 20 * SECOND, SHORT_ABANDON = 5 * SECOND, RETURN_WINDOW = 7 * DAY;
    private static final long LONGEST_STATE = DAY;
    /** A contact that began so long before another of the same customer is let go of. */
    private static final long MEMORY = 32 * DAY;
    /** Bytes: room for all that changes between two commits, and for what is read again soon. */
    private static final long CACHE = 256 << 20;
    private static final int NO_BUCKET = -1;
    /** What follows the time in the key of panes: they are of a queue's calls, or of agents' time. */
    private static final byte CALLS = 'c', AGENTS = 'a';

    private final Map<Bytes, Panes> touched = new HashMap<>();
    private KeyValueStore<Bytes, Customer> customers;
    private KeyValueStore<Bytes, Agent> agents;
    private KeyValueStore<Bytes, Panes> panes;

    @Override
    public void init(ProcessorContext<Void, Void> context) {
        customers = context.getStateStore("customers");
        agents = context.getStateStore("agents");
        panes = context.getStateStore("panes");
    }

    @Override
    public void process(Record<Bytes, Event> record) {
        Event event = record.value();
        if (event.type.equals("agent.state_changed")) changeState(event);
        else if (event.type.startsWith("call.")) take(record.key(), event);
        touched.forEach(panes::put);
        touched.clear();
    }

    // Agents

    private void changeState(Event event) {
        Bytes key = Bytes.wrap(event.agent);
        Agent before = agents.get(key);
        agents.put(key, new Agent(event.state, event.time, utf8(String.join("\n", event.queues))));
        Measure measure = before == null ? null : switch (before.state()) {
            case "available" -> AVAILABLE_US;
            case "busy", "wrap_up" -> ON_CONTACT_US;
            case "paused" -> PAUSED_US;
            default -> null;
        };
        if (measure == null) return;
        byte[][] slices = {WHOLE, event.agent};
        long end = Math.min(event.time, before.since() + LONGEST_STATE);
        for (long begin = before.since(), border; begin < end; begin = border) {
            border = Math.min(end, begin - begin % QUARTER + QUARTER);
            credit(AGENTS, begin, before.queues(), slices, new Bundle(measure, border - begin), NO_BUCKET);
        }
    }

    // Calls

    private void take(Bytes key, Event event) {
        Customer customer = customers.get(key);
        if (customer == null) customer = new Customer(new ArrayList<>(1));
        Contact contact = customer.contact(event.contact);
        if (contact == null) {
            if (!event.type.equals("call.queued")) return;
            contact = begin(key, customer, event);
        }
        switch (event.type) {
            case "call.queued" -> queued(contact, event);
            case "call.answered" -> answered(contact, event);
            case "call.abandoned" -> abandoned(contact, event.time);
            case "call.flowed_out" -> flowedOut(contact, event.time, "callback".equals(event.reason));
            case "call.held" -> held(contact, event.time);
            case "call.resumed" -> resumed(contact, event.time);
            case "call.transferred" -> transferred(contact, event);
            case "call.ended" -> ended(customer, contact, event, isIdentified(key, contact));
            case "call.wrapped_up" -> wrappedUp(contact, event);
            default -> { }
        }
        customers.put(key, customer);
    }

    private Contact begin(Bytes key, Customer customer, Event event) {
        customer.contacts().removeIf(contact -> contact.start() < event.time - MEMORY);
        Contact contact = new Contact(event.contact);
        customer.contacts().add(contact);
        Contact before = customer.beside(contact, -1);
        if (before != null && before.resolved && !before.transferred && isIdentified(key, before)) {
            Bundle returned = returned(event.time - before.start());
            if (event.time - before.start() <= RETURN_WINDOW) returned.and(RESOLVED_FIRST_CONTACT, -1);
            Leg leg = before.lastLeg();
            creditLeg(before, leg, before.visits.get(leg.visit).start(), returned);
        }
        return contact;
    }

    private void queued(Contact contact, Event event) {
        if (contact.waiting) flowedOut(contact, event.time, false);
        Visit visit = new Visit(event.queue, slices(event.traits), event.time);
        contact.visits.add(visit);
        contact.waiting = true;
        Bundle entered = new Bundle(ENTERED);
        if (contact.visits.size() == 1) {
            entered.and(OPENED).and(OPENED_UNHANDLED).and(OPENED_UNRESOLVED);
        }
        creditVisit(visit, visit.start(), entered, NO_BUCKET);
    }

    private static byte[][] slices(byte[][] traits) {
        byte[][] slices = new byte[1 + traits.length][];
        slices[0] = WHOLE;
        int size = 1;
        for (byte[] trait : traits) if (trait != null) slices[size++] = trait;
        return Arrays.copyOf(slices, size);
    }

    private void answered(Contact contact, Event event) {
        if (!contact.waiting) return;
        contact.waiting = false;
        Visit visit = contact.lastVisit();
        Leg last = contact.lastLeg();
        byte[][] who = event.level == null
            ? new byte[][] {event.agent} : new byte[][] {event.agent, Breakdown.LEVEL.slice(event.level)};
        contact.legs.add(new Leg(contact.visits.size() - 1, who, event.time));

        long wait = event.time - visit.start();
        Measure within = wait <= THRESHOLD ? ANSWERED_WITHIN : REACHED_THRESHOLD;
        Bundle cohort = new Bundle(COHORT_ANSWERED).and(within);
        Bundle entered = new Bundle(ENTERED).and(COHORT_ANSWERED).and(within);
        Bundle answered = new Bundle(ANSWERED).and(WAIT_ANSWERED_US, wait);
        int bucket = WAIT_ANSWERED + bucket(wait);
        creditVisit(visit, visit.start(), cohort, NO_BUCKET);
        credit(CALLS, visit.start(), visit.queue(), who, entered, NO_BUCKET);
        creditVisit(visit, event.time, answered, bucket);
        credit(CALLS, event.time, visit.queue(), who, answered, bucket);
        handOn(contact.visits.get(0), last, who);
    }

    /** A contact's opening is of who led its last conversation. */
    private void handOn(Visit first, Leg last, byte[][] who) {
        if (last == null) creditVisit(first, first.start(), new Bundle(OPENED_UNHANDLED, -1), NO_BUCKET);
        else {
            Bundle opened = new Bundle(OPENED, -1).and(OPENED_UNRESOLVED, -1);
            credit(CALLS, first.start(), first.queue(), last.who, opened, NO_BUCKET);
        }
        Bundle opened = new Bundle(OPENED).and(OPENED_UNRESOLVED);
        credit(CALLS, first.start(), first.queue(), who, opened, NO_BUCKET);
    }

    private void abandoned(Contact contact, long time) {
        if (!contact.waiting) return;
        contact.waiting = false;
        Visit visit = contact.lastVisit();
        long wait = time - visit.start();
        Bundle cohort = new Bundle(COHORT_ABANDONED)
            .and(wait <= THRESHOLD ? ABANDONED_WITHIN : REACHED_THRESHOLD);
        if (wait <= SHORT_ABANDON) cohort.and(SHORT_ABANDONED);
        creditVisit(visit, visit.start(), cohort, NO_BUCKET);
        Bundle abandoned = new Bundle(ABANDONED).and(WAIT_ABANDONED_US, wait);
        creditVisit(visit, time, abandoned, WAIT_ABANDONED + bucket(wait));
    }

    private void flowedOut(Contact contact, long time, boolean callback) {
        if (!contact.waiting) return;
        contact.waiting = false;
        Visit visit = contact.lastVisit();
        Bundle cohort = new Bundle(COHORT_FLOWED_OUT);
        if (time - visit.start() > THRESHOLD) cohort.and(REACHED_THRESHOLD);
        else if (callback) cohort.and(CALLBACK_WITHIN);
        creditVisit(visit, visit.start(), cohort, NO_BUCKET);
        creditVisit(visit, time, new Bundle(FLOWED_OUT), NO_BUCKET);
    }

    private void held(Contact contact, long time) {
        Leg leg = contact.openLeg();
        if (leg == null || leg.holdSince != NEVER) return;
        leg.holdSince = time;
        leg.held = true;
    }

    private void resumed(Contact contact, long time) {
        Leg leg = contact.openLeg();
        if (leg != null) leg.resume(time);
    }

    private void transferred(Contact contact, Event event) {
        Leg leg = contact.openLeg();
        if (leg == null) return;
        contact.transferred = true;
        String before = leg.level() != null ? leg.level() : contact.level;
        if (event.level != null) contact.level = event.level;
        Bundle handled = handled(leg, event.time).and(TRANSFERRED).and(TRANSFERS);
        if (isHigher(event.level, before)) handled.and(ESCALATIONS);
        creditLeg(contact, leg, leg.end, handled);
        countHandling(contact, leg, 1);
    }

    /** Of levels that are no numbers, another one is higher. */
    private static boolean isHigher(String level, String before) {
        if (level == null || before.isEmpty()) return false;
        boolean numbers = (level + before).chars().allMatch(Character::isDigit);
        return numbers ? Integer.parseInt(level) > Integer.parseInt(before) : !level.equals(before);
    }

    private void ended(Customer customer, Contact contact, Event event, boolean identified) {
        Leg leg = contact.openLeg();
        if (leg == null) return;
        Bundle handled = handled(leg, event.time);
        if (event.resolved) handled.and(RESOLUTIONS);
        creditLeg(contact, leg, leg.end, handled);
        countHandling(contact, leg, 1);
        if (event.resolved) resolve(customer, contact, leg, identified);
    }

    private void resolve(Customer customer, Contact contact, Leg leg, boolean identified) {
        contact.resolved = true;
        Visit first = contact.visits.get(0);
        Bundle opened = new Bundle(OPENED_UNRESOLVED, -1);
        creditVisit(first, first.start(), opened, NO_BUCKET);
        credit(CALLS, first.start(), first.queue(), leg.who, opened, NO_BUCKET);

        Contact next = customer.beside(contact, 1);
        Bundle resolved;
        if (identified && !contact.transferred) {
            resolved = next == null ? new Bundle() : returned(next.start() - contact.start());
            resolved.and(RESOLVED_ALONE);
            if (next == null || next.start() - contact.start() > RETURN_WINDOW) resolved.and(RESOLVED_FIRST_CONTACT);
        } else resolved = new Bundle();
        if (identified) resolved.and(RESOLVED_IDENTIFIED);
        creditLeg(contact, leg, contact.visits.get(leg.visit).start(), resolved.and(RESOLVED));
    }

    /** The windows within which a customer came back. */
    private static Bundle returned(long after) {
        Bundle returned = new Bundle();
        if (after <= DAY) returned.and(RETURNED_WITHIN_1D);
        if (after <= 7 * DAY) returned.and(RETURNED_WITHIN_7D);
        if (after <= 14 * DAY) returned.and(RETURNED_WITHIN_14D);
        if (after <= 30 * DAY) returned.and(RETURNED_WITHIN_30D);
        return returned;
    }

    /** A contact whose key is its own id is of nobody known. */
    private static boolean isIdentified(Bytes key, Contact contact) {
        return !Arrays.equals(key.get(), utf8(contact.id));
    }

    private void wrappedUp(Contact contact, Event event) {
        for (int at = contact.legs.size() - 1; at >= 0; at--) {
            Leg leg = contact.legs.get(at);
            if (leg.end == NEVER || (event.agent != null && !Arrays.equals(event.agent, leg.who[0]))) continue;
            long wrapUp = event.time - leg.end;
            creditLeg(contact, leg, leg.end, new Bundle(WRAP_UP_US, wrapUp - leg.wrapUp));
            countHandling(contact, leg, -1);
            leg.wrapUp = wrapUp;
            countHandling(contact, leg, 1);
            return;
        }
    }

    /** End a conversation. */
    private static Bundle handled(Leg leg, long end) {
        leg.resume(end);
        leg.end = end;
        Bundle handled = new Bundle(HANDLED).and(TALK_US, end - leg.start - leg.hold);
        if (leg.held) handled.and(HELD).and(HOLD_US, leg.hold);
        return handled;
    }

    private void countHandling(Contact contact, Leg leg, int by) {
        int bucket = HANDLE + coarse(leg.end - leg.start + leg.wrapUp);
        panesOf(CALLS, leg.end, contact.visits.get(leg.visit).queue()).count(WHOLE, bucket, by);
    }

    // Crediting

    private void creditVisit(Visit visit, long time, Bundle bundle, int bucket) {
        credit(CALLS, time, visit.queue(), visit.slices(), bundle, bucket);
    }

    private void creditLeg(Contact contact, Leg leg, long time, Bundle bundle) {
        Visit visit = contact.visits.get(leg.visit);
        creditVisit(visit, time, bundle, NO_BUCKET);
        credit(CALLS, time, visit.queue(), leg.who, bundle, NO_BUCKET);
    }

    private void credit(byte kind, long time, byte[] queue, byte[][] slices, Bundle bundle, int bucket) {
        Panes into = panesOf(kind, time, queue);
        for (byte[] slice : slices) {
            into.add(slice, bundle);
            if (bucket != NO_BUCKET) into.count(slice, bucket, 1);
        }
    }

    private Panes panesOf(byte kind, long time, byte[] queue) {
        int quarter = (int) (time / QUARTER);
        Bytes key = Bytes.wrap(ByteBuffer.allocate(5 + queue.length).putInt(quarter).put(kind).put(queue).array());
        Panes known = touched.get(key);
        if (known == null) {
            known = panes.get(key);
            if (known == null) known = new Panes(new byte[0]);
            touched.put(key, known);
        }
        return known;
    }

    // The application

    public static void main(String[] arguments) {
        Properties settings = Application.settings(arguments);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, CACHE);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");

        Topology topology = new Topology()
            .addSource("events", new BytesDeserializer(), Event.DESERIALIZER, arguments[1])
            .addProcessor("kpis", Kpis::new, "events")
            .addStateStore(store("customers", Customer.SERDE), "kpis")
            .addStateStore(store("agents", Agent.SERDE), "kpis")
            .addStateStore(store("panes", Panes.SERDE), "kpis");
        KafkaStreams streams = new KafkaStreams(topology, settings);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            print(streams);
            streams.close(Duration.ofSeconds(5));
        }));
        streams.start();
    }

    private static <T> StoreBuilder<KeyValueStore<Bytes, T>> store(String name, Serde<T> serde) {
        return Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(name), Serdes.Bytes(), serde).withCachingEnabled();
    }

    /** Print start (seconds), kind, queue or queues, slice, measures and histograms of all panes, those of each task by themselves. */
    private static void print(KafkaStreams streams) {
        var store = streams.store(StoreQueryParameters.fromNameAndType("panes", QueryableStoreTypes.<Bytes, Panes>keyValueStore()));
        try (KeyValueIterator<Bytes, Panes> all = store.all(); JsonGenerator out = new JsonFactory().createGenerator(System.out)) {
            out.setRootValueSeparator(new SerializedString("\n"));
            while (all.hasNext()) {
                var entry = all.next();
                ByteBuffer key = ByteBuffer.wrap(entry.key.get());
                long start = key.getInt() * QUARTER / SECOND;
                String kind = String.valueOf((char) key.get());
                byte[] queue = new byte[key.remaining()];
                key.get(queue);
                entry.value.print(out, start, kind, text(queue));
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
